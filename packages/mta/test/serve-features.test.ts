/**
 * What a sender asks of a message - TLS all the way (RFC 8689), addresses in UTF-8 (RFC 6531), reports (RFC 3461) -
 * through the queue of a relay that runs, to servers that offer it and to others.
 */
import {
  DEFAULT_CAPABILITIES,
  type HostSpec,
  type Internet,
  type Scenario,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentedEvents } from '../src/testing/log-table.js';
import { LabRelay, textOf } from './lab-relay.js';

function domain(name: string, host: HostSpec, ...records: string[]): Scenario {
  return {
    domain: name,
    shows: 'A domain whose server offers this and not that.',
    rule: 'RFC 5321 section 2.2',
    zones: { [name]: { records: ['@ MX 10 mx', ...records] } },
    hosts: { [`mx.${name}`]: host },
    expected: { status: 'deferred', because: 'each test says its own' },
  };
}

const capabilities = [...DEFAULT_CAPABILITIES, 'REQUIRETLS', 'DSN'];
/** Nothing of what came after RFC 821 but TLS and SIZE. */
const PLAIN = ['SIZE 52428800'];
/** The A-labels of bücher.example. */
const BOOKS = 'xn--bcher-kva.example';

const SCENARIOS = [
  domain('home.example', { tlsa: ['3 1 1'], habits: { capabilities } }),
  domain('home-not.example', { tlsa: ['3 1 1'] }),
  domain('offers.example', { tlsa: ['3 1 1'], habits: { capabilities } }),
  domain('offers-not.example', { tlsa: ['3 1 1'] }),
  domain('unauthenticated.example', { habits: { capabilities } }),
  domain('mismatch.example', { tlsa: [{ of: 'stranger', parameters: '3 1 1' }], habits: { capabilities } }),
  domain('plain.example', { tlsa: ['3 1 1'], habits: { capabilities: PLAIN } }),
  domain(BOOKS, { tlsa: ['3 1 1'], habits: { capabilities: PLAIN } }),
];

let internet: Internet;
let relay: LabRelay;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  relay = await LabRelay.make(internet, { more: '[retry]\nfirst = "1s"\nlongest = "1s"\n' });
  await relay.process.start();
});
afterAll(async () => {
  await relay.close();
  await internet.close();
});

const ANN = '<ann@home.example>';
const plainText = (subject: string, more = ''): string =>
  `From: ann@home.example\r\nSubject: ${subject}\r\n${more}\r\nThis is the body.\r\n`;

describe('REQUIRETLS (RFC 8689)', () => {
  const mail = `${ANN} REQUIRETLS`;

  it('is refused in clear text, where it was not offered (section 2)', async () => {
    const { replies } = await relay.send({ mail, rcpt: ['<you@offers.example>'] });
    expect(replies[0]).toBe('530 5.7.10 REQUIRETLS needs a session under TLS');
  });

  it('is said on to a server that DANE authenticates and that offers it (section 4.2.1)', async () => {
    const { id } = await relay.send({ mail, rcpt: ['<you@offers.example>'], tls: true });
    expect(await relay.outcome(id)).toMatchObject({ event: 'delivered', authenticated: 'dane' });
    const message = relay.message(id, 'mx.offers.example');
    expect(message?.mailParameters).toContain('REQUIRETLS');
    expect(message && textOf(message)).toContain('with ESMTPS id');
  });

  it.each([
    ['does not offer it', 'offers-not.example', '5.7.30'],
    ['nobody authenticates', 'unauthenticated.example', '5.7.10'],
    ['is not the one of the TLSA records', 'mismatch.example', '5.7.10'],
  ])('bounces at a server that %s (section 4.2.1)', async (_, name, status) => {
    const text = plainText(`secret for ${name}`);
    const { id } = await relay.send({ mail, rcpt: [`<you@${name}>`], text, tls: true });
    expect(await relay.outcome(id)).toMatchObject({ event: 'bounced', enhancedStatus: status });
    expect(relay.message(id, `mx.${name}`)).toBeUndefined();
    // Section 5: the report says REQUIRETLS, and returns the header alone.
    const report = await relay.report(id);
    expect(report.mailParameters).toContain('REQUIRETLS');
    expect(textOf(report)).toContain(`Status: ${status}`);
    expect(textOf(report)).toContain(`Subject: secret for ${name}`);
    expect(textOf(report)).not.toContain('This is the body.');
  });

  it('is not what a report is lost for (section 5)', async () => {
    const sent = { mail: '<ann@home-not.example> REQUIRETLS', rcpt: ['<you@offers-not.example>'], tls: true };
    const { id } = await relay.send({ ...sent, text: plainText('to a home without it') });
    const report = await relay.report(id);
    expect(report.mailParameters).not.toContain('REQUIRETLS');
    expect(textOf(report)).toContain('Subject: to a home without it');
    expect(textOf(report)).not.toContain('This is the body.');
  });

  it('waits in the queue over a restart, and still binds', async () => {
    const slow = await LabRelay.make(internet, { delivery: 'source_ipv4 = "192.0.2.1"' }); // no address of ours
    try {
      await slow.process.start();
      const { id } = await slow.send({ mail, rcpt: ['<you@offers.example>'], tls: true });
      expect(await slow.outcome(id)).toMatchObject({ event: 'deferred' });
      await slow.process.end('SIGKILL');
      slow.process.configure(slow.toml.replace('source_ipv4 = "192.0.2.1"', ''));
      await slow.process.start();
      await slow.queue('retry', id);
      await slow.process.event(({ event, id: of }) => event === 'delivered' && of === id);
      expect(slow.message(id, 'mx.offers.example')?.mailParameters).toContain('REQUIRETLS');
    } finally {
      await slow.close();
    }
  });
});

describe('TLS-Required: No (RFC 8689 section 3)', () => {
  const rcpt = ['<you@mismatch.example>'];

  it('delivers where the certificate does not match, and without it the message waits', async () => {
    const without = await relay.send({ mail: ANN, rcpt });
    expect(await relay.outcome(without.id)).toMatchObject({ event: 'deferred', enhancedStatus: '4.7.5' });
    const text = plainText('your certificate', 'TLS-Required: No\r\n');
    const { id } = await relay.send({ mail: ANN, rcpt, text });
    expect(await relay.outcome(id)).toMatchObject({ event: 'delivered', authenticated: null });
    // The ordinary one is still not there, though the destination has just taken a message.
    await relay.process.event(
      ({ event, id: of, tries }) => event === 'deferred' && of === without.id && tries === 2,
    );
    const overlooked = relay.process.events.find(({ event, id: of }) => event === 'overlooked' && of === id);
    expect(overlooked).toMatchObject({ host: 'mx.mismatch.example', failure: 'validation-failure' });
  });

  it('means nothing beside REQUIRETLS (section 4.1)', async () => {
    const text = plainText('both', 'TLS-Required: No\r\n');
    const { id } = await relay.send({ mail: `${ANN} REQUIRETLS`, rcpt, text, tls: true });
    expect(await relay.outcome(id)).toMatchObject({ event: 'bounced', enhancedStatus: '5.7.10' });
  });
});

describe('addresses and headers in UTF-8 (RFC 6531)', () => {
  it('go to a server that offers SMTPUTF8, and are said to be what they are', async () => {
    const text = plainText('Grüße');
    const { id } = await relay.send({ mail: `${ANN} SMTPUTF8`, rcpt: ['<jörg@offers.example>'], text });
    expect(await relay.outcome(id)).toMatchObject({ event: 'delivered', to: 'jörg@offers.example' });
    const message = relay.message(id, 'mx.offers.example');
    expect(message?.mailParameters).toEqual(expect.arrayContaining(['SMTPUTF8', 'BODY=8BITMIME']));
    // Commands are recorded octet by octet.
    const address = Buffer.from('jörg@offers.example').toString('latin1');
    expect(message?.recipients.map((each) => each.address)).toEqual([address]);
    expect(message && textOf(message)).toContain('with UTF8SMTP id');
  });

  it.each([
    ['a recipient in UTF-8', `${ANN} SMTPUTF8`, '<jörg@plain.example>', plainText('x'), '5.6.7'],
    ['a sender in UTF-8', '<änn@home.example> SMTPUTF8', '<you@plain.example>', plainText('x'), '5.6.7'],
    ['a header in UTF-8', `${ANN} SMTPUTF8`, '<you@plain.example>', plainText('Grüße'), '5.6.9'],
  ])('%s does not go to one that does not, and comes back', async (_, mail, rcpt, text, status) => {
    const { id } = await relay.send({ mail, rcpt: [rcpt], text });
    expect(await relay.outcome(id)).toMatchObject({ event: 'bounced', enhancedStatus: status });
    expect(relay.message(id, 'mx.plain.example')).toBeUndefined();
    const report = textOf(await relay.report(id));
    expect(report).toContain(`Status: ${status}`);
    // RFC 6533 section 3: in a report that is ASCII.
    const told = rcpt.includes('ö') ? 'utf-8; j\\x{F6}rg@plain.example' : 'rfc822; you@plain.example';
    expect(report).toContain(`Final-Recipient: ${told}`);
  });

  it('come back to a sender in UTF-8 under SMTPUTF8, in a report in UTF-8 (RFC 6533 section 4)', async () => {
    const { id } = await relay.send({ mail: '<änn@home.example> SMTPUTF8', rcpt: ['<jörg@plain.example>'] });
    const report = await relay.report(id);
    expect(report.mailParameters).toContain('SMTPUTF8');
    expect(textOf(report)).toContain('Content-Type: message/global-delivery-status');
    expect(textOf(report)).toContain('Final-Recipient: utf-8; jörg@plain.example');
  });

  it('in a local part are refused without SMTPUTF8 (section 3.5)', async () => {
    const { replies } = await relay.send({ mail: ANN, rcpt: ['<jörg@offers.example>'] });
    expect(replies[1]).toMatch(/^553 5\.6\.7 /u);
  });

  it('in a domain become A-labels, for DNS and for a server that knows nothing else', async () => {
    const { id } = await relay.send({ mail: `${ANN} SMTPUTF8`, rcpt: ['<you@Bücher.example>'] });
    expect(await relay.outcome(id)).toMatchObject({ event: 'delivered', authenticated: 'dane' });
    const message = relay.message(id, `mx.${BOOKS}`);
    expect(message?.recipients.map((each) => each.address)).toEqual([`you@${BOOKS}`]);
    expect(message?.mailParameters).not.toContain('SMTPUTF8');
    expect(message?.connection.tls?.serverName).toBe(`mx.${BOOKS}`);
    expect(internet.questions()).toContainEqual(expect.objectContaining({ name: `${BOOKS}`, type: 'MX' }));
  });
});

describe('8-bit content (RFC 6152)', () => {
  const text = `${plainText('eight').replace('This', 'Früher')}`;

  it('goes to a server that offers 8BITMIME', async () => {
    const { id } = await relay.send({ mail: `${ANN} BODY=8BITMIME`, rcpt: ['<you@offers.example>'], text });
    await relay.outcome(id);
    expect(relay.message(id, 'mx.offers.example')?.mailParameters).toContain('BODY=8BITMIME');
  });

  it('comes back from one that does not (section 3)', async () => {
    const { id } = await relay.send({ mail: `${ANN} BODY=8BITMIME`, rcpt: ['<you@plain.example>'], text });
    expect(await relay.outcome(id)).toMatchObject({ event: 'bounced', enhancedStatus: '5.6.3' });
    expect(textOf(await relay.report(id))).toContain('Status: 5.6.3');
  });

  it('comes back even to a sender whose own server takes none, as its header', async () => {
    const mail = '<ann@plain.example> BODY=8BITMIME';
    const { id } = await relay.send({ mail, rcpt: ['<you@plain.example>'], text });
    const first = await relay.process.event(({ event, about }) => event === 'queued' && about === id);
    expect(await relay.outcome(String(first['id']))).toMatchObject({
      event: 'bounced',
      enhancedStatus: '5.6.3',
    });
    const again = await relay.process.event(
      ({ event, about }) => event === 'queued' && about === first['id'],
    );
    expect(await relay.outcome(String(again['id']))).toMatchObject({ event: 'delivered' });
    const report =
      relay
        .at('mx.plain.example')
        .map(textOf)
        .find((each) => each.includes(id)) ?? '';
    expect(report).toContain('Status: 5.6.3');
    expect(report).toContain('Content-Type: text/rfc822-headers');
    expect(report).toContain('Subject: eight');
    expect(report).not.toContain('Früher');
    expect(report).toMatch(/--=_[0-9a-z]{18}--\r\n$/u);
  });
});

describe('what a sender wants to hear (RFC 3461)', () => {
  it('is told to a server that offers DSN, with the very values', async () => {
    const { id } = await relay.send({
      mail: `${ANN} RET=HDRS ENVID=QQ+2B314+3Dx`,
      rcpt: [
        '<bob@offers.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@Old.example',
        '<carl@offers.example> NOTIFY=NEVER',
        '<dan@offers.example>',
      ],
    });
    await relay.outcome(id);
    const message = relay.message(id, 'mx.offers.example');
    expect(message?.mailParameters).toEqual(expect.arrayContaining(['RET=HDRS', 'ENVID=QQ+2B314+3Dx']));
    expect(message?.recipients).toEqual([
      {
        address: 'bob@offers.example',
        parameters: ['NOTIFY=SUCCESS,DELAY', 'ORCPT=rfc822;Bob+2Bx@Old.example'],
      },
      { address: 'carl@offers.example', parameters: ['NOTIFY=NEVER'] },
      { address: 'dan@offers.example', parameters: [] },
    ]);
  });

  it('is not told to one that does not (section 5.2.2)', async () => {
    const { id } = await relay.send({
      mail: `${ANN} RET=FULL ENVID=314`,
      rcpt: ['<bob@offers-not.example> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Old.example'],
    });
    await relay.outcome(id);
    const message = relay.message(id, 'mx.offers-not.example');
    expect(message?.mailParameters.map((each) => each.split('=')[0])).toEqual(['SIZE']);
    expect(message?.recipients).toEqual([{ address: 'bob@offers-not.example', parameters: [] }]);
    const report = textOf(await relay.report(id));
    expect(report).toContain('Action: relayed');
    expect(report).toContain('Original-Envelope-Id: 314');
    expect(report).toContain('Original-Recipient: rfc822; Bob@Old.example');
  });

  it.each([
    ['the header alone', 'HDRS', false],
    ['the whole message', 'FULL', true],
  ])('RET: %s comes back (section 4.3)', async (_, ret, whole) => {
    const { id } = await relay.send({
      mail: `${ANN} SMTPUTF8 RET=${ret} ENVID=a+2Bb`,
      rcpt: ['<jörg@plain.example> ORCPT=rfc822;George@Old.example'],
      text: plainText(`returned ${ret}`),
    });
    const report = await relay.report(id);
    expect(report).toMatchObject({ from: '', mailParameters: expect.not.arrayContaining(['RET=HDRS']) });
    expect(textOf(report)).toContain('Original-Envelope-Id: a+b');
    expect(textOf(report)).toContain('Original-Recipient: rfc822; George@Old.example');
    expect(textOf(report)).toContain(`Subject: returned ${ret}`);
    expect(textOf(report).includes('This is the body.')).toBe(whole);
  });
});

describe('the log', () => {
  it('says what docs/relay.md says that it does, and in no other fields', async () => {
    const { id } = await relay.send({ mail: ANN, rcpt: ['<you@offers.example>', '<jörg@offers.example>'] });
    await relay.outcome(id);
    const documented = documentedEvents();
    const undocumented = relay.process.events.flatMap(({ event, level, time, ...fields }) =>
      Object.keys(fields).flatMap((key) => (documented.get(event)?.has(key) ? [] : `${event}: ${key}`)),
    );
    expect([...new Set(undocumented)]).toEqual([]);
    const seen = new Set(relay.process.events.map(({ event }) => event));
    expect([...seen]).toEqual(expect.arrayContaining(['started', 'received', 'refused', 'tls', 'delivered']));
  });
});
