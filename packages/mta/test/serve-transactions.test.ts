/**
 * How a running relay speaks to servers: how many commands at a time and recipients in a transaction, from which
 * address, and where a server's limits end it.
 */
import { createSocket } from 'node:dgram';
import {
  DEFAULT_CAPABILITIES,
  type HostSpec,
  type Internet,
  type Scenario,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabRelay, textOf } from './lab-relay.js';

function domain(name: string, host: HostSpec, ...records: string[]): Scenario {
  return {
    domain: name,
    shows: 'A domain whose server is met in one way or the other.',
    rule: 'RFC 5321 section 3.3',
    zones: { [name]: { records: ['@ MX 10 mx', ...records] } },
    hosts: { [`mx.${name}`]: host },
    expected: { status: 'deferred', because: 'each test says its own' },
  };
}

const PATIENT = DEFAULT_CAPABILITIES.filter((each) => each !== 'PIPELINING');
/** Two recipients at a time, as a client with five meets it that has learned the number from the first refusal. */
const TWO_AT_A_TIME = [2, -3, 2, 1].flatMap((count) =>
  Array.from({ length: Math.abs(count) }, () =>
    count < 0 ? ('452 4.5.3 Too many recipients' as const) : ('usual' as const),
  ),
);
/** Nobody's address: for documentation (RFC 3849). */
const NOBODY = '2001:db8::25';
const SMALL = 3000;

const SCENARIOS = [
  domain('home.example', {}),
  domain('pipelining.example', {}),
  domain('patient.example', { habits: { capabilities: PATIENT } }),
  domain('two.example', { habits: { on: { rcpt: { inTurn: TWO_AT_A_TIME } } } }),
  domain('many.example', {}),
  domain('from-two.example', {}),
  domain('from-three.example', {}),
  domain('both-families.example', {}, `mx AAAA ${NOBODY}`),
  domain('small.example', { habits: { capabilities: [`SIZE ${SMALL}`] } }),
];

const RULES = ['two', 'three'].map(
  (word, i) => `
[[policy]]
domain = "from-${word}.example"
level = "dane"
source_ipv4 = "127.0.0.${i + 2}"
`,
);

let internet: Internet;
let relay: LabRelay;

beforeAll(async () => {
  internet = await startInternet(SCENARIOS);
  relay = await LabRelay.make(internet, { delivery: 'source_ipv4 = "127.0.0.4"', more: RULES.join('') });
  await relay.process.start();
});
afterAll(async () => {
  await relay.close();
  await internet.close();
});

const isReachable = await hasRouteTo(NOBODY);
const ANN = '<ann@home.example>';

/** Sends one message, and resolves when each recipient has it. */
async function deliver(...rcpt: readonly string[]) {
  const { id } = await relay.send({ mail: ANN, rcpt: rcpt.map((each) => `<${each}>`) });
  for (const to of rcpt) {
    expect(await relay.outcome(id, to)).toMatchObject({ event: 'delivered' });
  }
  const [, host = ''] = /@(.*)$/u.exec(rcpt[0] ?? '') ?? [];
  const messages = relay.at(`mx.${host}`).filter((each) => textOf(each).includes(` id ${id}`));
  return { messages, connection: messages[0]?.connection };
}

describe('several recipients of a message at one host', () => {
  it('go in one transaction, its commands in one write where PIPELINING is offered (RFC 2920)', async () => {
    const to = ['a', 'b', 'c'].map((each) => `${each}@pipelining.example`);
    const { messages, connection } = await deliver(...to);
    expect(messages.map(({ recipients }) => recipients.map(({ address }) => address))).toEqual([to]);
    const commands = connection?.commands.filter(({ line }) => /^(?:MAIL|RCPT|DATA)/u.test(line)) ?? [];
    expect(commands.map(({ line, pipelined }) => [line.slice(0, 4), pipelined])).toEqual([
      ['MAIL', false],
      ['RCPT', true],
      ['RCPT', true],
      ['RCPT', true],
      ['DATA', true],
    ]);
  });

  it('go in one transaction, command by command where it is not', async () => {
    const { messages, connection } = await deliver('a@patient.example', 'b@patient.example');
    expect(messages).toHaveLength(1);
    expect(connection?.commands.filter(({ pipelined }) => pipelined)).toEqual([]);
  });

  it('go in several, over one connection, where the server takes fewer (RFC 5321 section 4.5.3.1.10)', async () => {
    const to = ['a', 'b', 'c', 'd', 'e'].map((each) => `${each}@two.example`);
    const { messages } = await deliver(...to);
    expect(messages.map(({ recipients }) => recipients.length)).toEqual([2, 2, 1]);
    expect(messages.flatMap(({ recipients }) => recipients.map(({ address }) => address))).toEqual(to);
    expect(new Set(messages.map(({ connection }) => connection)).size).toBe(1);
  });

  it('go in several where they are more than a hundred (RFC 5321 section 4.5.3.1.8)', async () => {
    const { messages } = await deliver(...Array.from({ length: 250 }, (_, i) => `r${i}@many.example`));
    expect(messages.map(({ recipients }) => recipients.length)).toEqual([100, 100, 50]);
  });
});

describe('where mail comes from', () => {
  it.each([
    ['the rule says so', 'from-two.example', '127.0.0.2'],
    ['another rule says so', 'from-three.example', '127.0.0.3'],
    ['no rule does', 'pipelining.example', '127.0.0.4'],
  ])('is the address that is configured where %s', async (_, name, address) => {
    const { connection } = await deliver(`you@${name}`);
    expect(connection?.clientAddress).toBe(address);
  });

  it.skipIf(isReachable)('is IPv4 at once where there is no way over IPv6', async () => {
    const began = performance.now();
    const { connection } = await deliver('you@both-families.example');
    expect(connection?.clientAddress).toBe('127.0.0.4');
    expect(performance.now() - began).toBeLessThan(4000); // the time-out is 5 s
  });
});

describe('a server that takes smaller messages than the relay (RFC 1870 section 6.2)', () => {
  it('does not get a larger one, and its sender is told', async () => {
    const text = `Subject: large\r\n\r\n${'0123456789\r\n'.repeat(SMALL / 10)}`;
    const { id } = await relay.send({ mail: ANN, rcpt: ['<you@small.example>'], text });
    expect(await relay.outcome(id)).toMatchObject({ event: 'bounced', enhancedStatus: '5.3.4' });
    const connections = internet.mailServers.get('mx.small.example')?.received.connections ?? [];
    const lines = connections.flatMap(({ commands }) => commands.map(({ line }) => line));
    expect(lines.filter((line) => line.startsWith('MAIL'))).toEqual([]);
    const report = textOf(await relay.report(id));
    expect(report).toContain('Status: 5.3.4');
    expect(report).toContain('larger than');
  });
});

/** Asks the kernel; nothing is sent. */
function hasRouteTo(address: string): Promise<boolean> {
  const socket = createSocket('udp6');
  return new Promise((resolve) => {
    const end = (found: boolean): void => {
      socket.close();
      resolve(found);
    };
    socket.once('error', () => end(false));
    socket.once('connect', () => end(true));
    socket.connect(9, address);
  });
}
