import type { AddressProbe, ProbedServer } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import { SharedVisits } from './shared-visits.js';

const SERVER = { host: 'mx.example', address: '192.0.2.1', port: 25 } as const;
type Level = ProbedServer['level'];
type Who = 'lead' | 'follow';

const seen: AddressProbe = {
  address: SERVER.address,
  policy: { level: 'may', source: '' },
  ok: true,
  tls: null,
  chain: [],
  capabilities: [],
  reply: null,
  enhancedStatus: null,
  reason: '',
  failureType: null,
  overlooked: [],
};

/** All go at once, in this order; who of them opened a session, after the leader had gone to all that it wanted. */
async function visitors(going: readonly (readonly [who: Who, level: Level])[]): Promise<string[]> {
  const visits = new SharedVisits();
  const opened: string[] = [];
  const all = going.map(([who, level]) =>
    visits[who]({ ...SERVER, level }, async () => {
      opened.push(`${who} ${level}`);
      return seen;
    }),
  );
  await new Promise((resolve) => setImmediate(resolve));
  visits.endLead();
  expect(await Promise.all(all)).toEqual(going.map(() => seen));
  return opened;
}

describe('senders that visit the same server', () => {
  it.each<[what: string, going: readonly (readonly [Who, Level])[], opened: readonly string[]]>([
    [
      'want nothing, all of them: the leader goes, whoever was there first',
      [
        ['follow', 'may'],
        ['lead', 'may'],
        ['follow', 'may'],
      ],
      ['lead may'],
    ],
    [
      'go by one MTA-STS policy, and another wants nothing',
      [
        ['lead', 'sts'],
        ['follow', 'sts'],
        ['follow', 'may'],
      ],
      ['lead sts', 'follow may'],
    ],
    [
      'want proof by DANE, by MTA-STS, and none: each goes by itself',
      [
        ['lead', 'dane'],
        ['follow', 'sts'],
        ['follow', 'may'],
      ],
      ['lead dane', 'follow sts', 'follow may'],
    ],
    [
      'are followers alone: one of them goes',
      [
        ['follow', 'may'],
        ['follow', 'may'],
      ],
      ['follow may'],
    ],
    [
      'want what is one’s own business',
      [
        ['lead', 'encrypt'],
        ['follow', 'encrypt'],
      ],
      ['lead encrypt', 'follow encrypt'],
    ],
  ])('%s', async (_, going, opened) => {
    expect((await visitors(going)).sort()).toEqual([...opened].sort());
  });

  it('do not wait for a leader that went there with other wishes', async () => {
    const visits = new SharedVisits();
    void visits.lead({ ...SERVER, level: 'dane' }, () => new Promise(() => {}));
    expect(await visits.follow({ ...SERVER, level: 'may' }, async () => seen)).toBe(seen);
  });

  it('all hear of it where the visit fails', async () => {
    const visits = new SharedVisits();
    const fail = (): Promise<AddressProbe> => Promise.reject(new Error('interrupted'));
    const led = visits.lead({ ...SERVER, level: 'may' }, fail);
    const followed = visits.follow({ ...SERVER, level: 'may' }, fail);
    await expect(led).rejects.toThrow('interrupted');
    await expect(followed).rejects.toThrow('interrupted');
  });
});
