/**
 * Did a delivery come to what RFC 7672 asks for? Judged from both ends: by what danelaw says, and by what the
 * mail servers of the lab saw. A sender that only claims to have refused is found out.
 */
import type {
  CommandRecord,
  Expected,
  ExpectedDelivery,
  MailServer,
  ReceivedMessage,
  Scenario,
} from '@danelaw/lab';
import type { Delivery, RecipientOutcome, TlsFacts } from '@danelaw/smtp';

export interface JudgeInput {
  readonly scenario: Scenario;
  /** What it should come to under the policy of this run. */
  readonly expected: Expected;
  readonly recipient: string;
  /** The message as it was sent, with CRLF line ends. */
  readonly octets: Uint8Array;
  readonly delivery: Delivery;
  /** All servers of the lab, by host name; their records must be complete. */
  readonly servers: ReadonlyMap<string, ServerRecord>;
}

export type ServerRecord = Pick<MailServer, 'host' | 'addresses' | 'tlsa' | 'received'>;

/** @returns what is not as it should be, a sentence each; nothing where all is well */
export function judge(input: JudgeInput): string[] {
  const { expected, delivery, recipient, servers } = input;
  const outcome = delivery.recipients.find((each) => each.recipient === recipient);
  if (outcome === undefined) return [`there is no outcome for ${recipient}`];
  return [
    ...wrongOutcome(expected, outcome, servers),
    ...wrongArrivals(input, outcome),
    ...sentInClear(input),
  ];
}

function wrongOutcome(
  expected: Expected,
  outcome: RecipientOutcome,
  servers: JudgeInput['servers'],
): string[] {
  if (outcome.status !== expected.status) return [`${outcome.status}, and should be ${expected.status}`];
  switch (expected.status) {
    case 'deferred':
    case 'failed':
      return [];
    case 'delivered':
      return [
        ...differs('host', outcome.host, expectedHost(expected, servers)),
        ...differs('MX', outcome.mx, expected.mx),
        ...differs('TLS', tlsText(outcome.tls), expectedTlsText(expected.tls)),
      ];
    default: {
      const never: never = expected;
      return never;
    }
  }
}

function differs(what: string, is: string | null, should: string): string[] {
  return is === should ? [] : [`the ${what} is ${is}, and should be ${should}`];
}

/** The address of a host in the place of `{address HOST}`. */
function expectedHost({ host }: ExpectedDelivery, servers: JudgeInput['servers']): string {
  const named = /^\{address (.+)\}$/u.exec(host)?.[1];
  return named === undefined ? host : (servers.get(named)?.addresses[0] ?? host);
}

function tlsText(tls: TlsFacts | null): string {
  if (tls === null) return 'none';
  if (tls.authenticated === null) return 'unauthenticated';
  if (tls.authenticated.by === 'pkix') return 'trusted';
  // No scenario has fingerprints: they differ from everything that is expected.
  if (tls.authenticated.by === 'fingerprint') return 'authenticated by a fingerprint';
  const [usage, selector, matchingType] = tls.authenticated.record.split(' ');
  return `authenticated by ${usage} ${selector} ${matchingType} of ${tls.authenticated.baseDomain}`;
}

function expectedTlsText(tls: ExpectedDelivery['tls']): string {
  return typeof tls === 'string' ? tls : `authenticated by ${tls.by} of ${tls.baseDomain}`;
}

/**
 * A delivered message lies at the server that danelaw names, once, octet for octet; a refused one lies
 * nowhere.
 */
function wrongArrivals(
  { expected, recipient, octets, servers }: JudgeInput,
  outcome: RecipientOutcome,
): string[] {
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
    ...(server.addresses.includes(outcome.address ?? '')
      ? []
      : [`it arrived at ${server.host}, which nobody said`]),
    ...(Buffer.compare(message.content, octets) === 0
      ? []
      : [`the message arrived changed at ${server.host}`]),
  ]);
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
