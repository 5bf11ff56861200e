import type { Resolver } from '@danelaw/dns';
import { expect, it } from 'vitest';
import { surveyDomain } from './survey-domain.js';

it('asks for MX alone first, and for one TXT record after the other', async () => {
  const events: string[] = [];
  const resolver: Resolver = {
    async resolve(name, type) {
      events.push(`${type} ${name}?`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      events.push(`${type} ${name}!`);
      return { name, type, status: 'indeterminate', reason: 'silent', chain: [] };
    },
    close: async () => {},
  };
  const found = await surveyDomain('a.example', { resolver, heloName: 'me.example', dnsOnly: true });
  expect(found).toMatchObject({ status: 'unclear', sts: null, tlsrpt: null });
  expect(events.slice(0, 2)).toEqual(['MX a.example?', 'MX a.example!']);
  expect(events.filter((event) => event.startsWith('TXT'))).toEqual([
    'TXT _mta-sts.a.example?',
    'TXT _mta-sts.a.example!',
    'TXT _smtp._tls.a.example?',
    'TXT _smtp._tls.a.example!',
  ]);
});
