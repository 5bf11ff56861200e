/**
 * Did a delivery come to what RFC 7672 asks for, and for the right reason? Judged from both ends: by what danelaw
 * says, and by what the mail servers of the lab saw. A sender that only claims to have refused is found out, and so
 * is one that refused by chance.
 */
import type {
  CommandRecord,
  Evidence,
  Expected,
  ExpectedDelivery,
  MailServer,
  ReceivedMessage,
  Scenario,
} from '@danelaw/lab';
import type { OutcomeStatus } from '@danelaw/smtp';

/** What danelaw says of one message, whichever way it tells: by the log of the relay, or as `send` does. */
export interface Came extends Omit<Evidence, 'enhancedStatus'> {
  readonly enhancedStatus: string | null;
  readonly status: OutcomeStatus;
  readonly host: string | null;
  readonly address: string | null;
  readonly mx: 'secure' | 'insecure' | null;
  /** No scenario has fingerprints: they differ from everything that is expected. */
  readonly tls: ExpectedDelivery['tls'] | 'fingerprint';
}

/**
 * Who stands between: a relay adds a Received field, and reports failures to the sender; but where it did not take the
 * message (`refusal`), its client knows.
 */
export type Through = 'nobody' | 'relay' | 'refusal';

export interface JudgeInput {
  readonly scenario: Scenario;
  /** What it should come to under the policy of this run. */
  readonly expected: Expected;
  readonly recipient: string;
  /** The message as it was sent, with CRLF line ends. */
  readonly octets: Uint8Array;
  /** Undefined where nothing became of it. */
  readonly came: Came | undefined;
  readonly through: Through;
  /** All servers of the lab, by host name; their records must be complete. */
  readonly servers: ReadonlyMap<string, ServerRecord>;
}

export type ServerRecord = Pick<MailServer, 'host' | 'addresses' | 'tlsa' | 'received'>;

/** @returns what is not as it should be, a sentence each; nothing where all is well */
export function judge(input: JudgeInput): string[] {
  const { expected, came, recipient, servers } = input;
  if (came === undefined) return [`nothing became of the message to ${recipient}`];
  return [
    ...wrongOutcome(expected, came, servers),
    ...wrongArrivals(input, came),
    ...sentInClear(input),
    ...unreported(input),
  ];
}

function wrongOutcome(expected: Expected, came: Came, servers: JudgeInput['servers']): string[] {
  if (came.status !== expected.status) return [`${came.status}, and should be ${expected.status}`];
  switch (expected.status) {
    case 'deferred':
    case 'failed': {
      const { evidence } = expected;
      if (evidence === undefined) return [];
      return [
        ...differs('enhanced status', came.enhancedStatus, evidence.enhancedStatus),
        ...differs('failure type', came.failure, evidence.failure),
        ...differs('step that failed', came.stage, evidence.stage),
      ];
    }
    case 'delivered':
      return [
        ...differs('host', came.host, expectedHost(expected, servers)),
        ...differs('MX', came.mx, expected.mx),
        ...differs('TLS', tlsText(came.tls), tlsText(expected.tls)),
      ];
    default: {
      const never: never = expected;
      return never;
    }
  }
}

function differs(what: string, is: string | null, should: string | null): string[] {
  return is === should ? [] : [`the ${what} is ${is ?? 'none'}, and should be ${should ?? 'none'}`];
}

/** The address of a host in the place of `{address HOST}`. */
function expectedHost({ host }: ExpectedDelivery, servers: JudgeInput['servers']): string {
  const named = /^\{address (.+)\}$/u.exec(host)?.[1];
  return named === undefined ? host : (servers.get(named)?.addresses[0] ?? host);
}

function tlsText(tls: Came['tls']): string {
  return typeof tls === 'string' ? tls : `authenticated by ${tls.by} of ${tls.baseDomain}`;
}

/**
 * A delivered message lies at the server that danelaw names, once, octet for octet; a refused one lies
 * nowhere.
 */
function wrongArrivals(input: JudgeInput, came: Came): string[] {
  const { expected, recipient, servers } = input;
  const arrived: { server: ServerRecord; message: ReceivedMessage }[] = [];
  for (const server of servers.values()) {
    for (const message of server.received.messages) {
      const isFor = message.recipients.some(({ address }) => address === recipient);
      if (isFor && message.accepted) arrived.push({ server, message });
    }
  }
  const shouldBe = expected.status === 'delivered' ? 1 : 0;
  if (arrived.length !== shouldBe) {
    const where = arrived.length === 0 ? '' : ` (at ${arrived.map(({ server }) => server.host).join(', ')})`;
    return [`it arrived ${arrived.length} times${where}, and should have arrived ${shouldBe} times`];
  }
  // By its address: where the MX host is an alias, the server has another name.
  return arrived.flatMap(({ server, message }) => [
    ...(server.addresses.includes(came.address ?? '')
      ? []
      : [`it arrived at ${server.host}, which nobody said`]),
    ...(isUnchanged(message.content, input) ? [] : [`the message arrived changed at ${server.host}`]),
  ]);
}

/** One field, which may be folded (RFC 5321 section 4.4). */
const RECEIVED = /^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*$/u;

function isUnchanged(content: Uint8Array, { octets, through }: JudgeInput): boolean {
  const added = content.length - octets.length;
  if (added < 0 || Buffer.compare(content.subarray(added), octets) !== 0) return false;
  const words = Buffer.from(content.subarray(0, added)).toString('latin1');
  return through === 'nobody' ? words === '' : RECEIVED.test(words);
}

/** Whoever sent what failed for good hears of it (RFC 5321 section 6.1), and nobody else of anything. */
function unreported({ expected, recipient, servers, through }: JudgeInput): string[] {
  if (through === 'nobody') return [];
  const about = `Final-Recipient: rfc822; ${recipient}\r\n`.toLowerCase();
  const reports = [...servers.values()].flatMap(({ received }) =>
    received.messages.filter(
      ({ from, accepted, content }) =>
        accepted && from === '' && Buffer.from(content).toString('latin1').toLowerCase().includes(about),
    ),
  );
  const shouldBe = expected.status === 'failed' && through === 'relay' ? 1 : 0;
  return reports.length === shouldBe
    ? []
    : [
        `its sender was told ${reports.length} times that it failed, and should have been told ${shouldBe} times`,
      ];
}

const ENVELOPE = /^(?:MAIL|RCPT|DATA|BDAT)\b/i;

/**
 * No envelope may have gone in clear: neither where the delivery had to be under TLS, nor to a host that
 * publishes TLSA records and was refused.
 */
function sentInClear({ scenario, expected, servers }: JudgeInput): string[] {
  const { hosts = {} } = scenario;
  if (expected.status === 'delivered' && expected.tls === 'none') return [];
  return Object.keys(hosts).flatMap((host) => {
    const server = servers.get(host);
    if (server === undefined || (expected.status !== 'delivered' && server.tlsa.length === 0)) return [];
    const clear = server.received.connections.flatMap(({ commands }) => commands).find(isClearEnvelope);
    return clear === undefined ? [] : [`"${clear.line}" went in clear text to ${host}`];
  });
}

function isClearEnvelope({ inTls, line }: CommandRecord): boolean {
  return !inTls && ENVELOPE.test(line);
}
