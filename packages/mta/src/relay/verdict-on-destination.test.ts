import type { Attempt, AttemptRecipient, RecipientOutcome } from '@danelaw/smtp';
import { describe, expect, it } from 'vitest';
import type { Claim, QueuedEnvelope } from '../queue/queue.js';
import { message } from '../queue/suite.js';
import type { JobOutcome } from './job.js';
import { deferredOutcome, OWN_FAULT } from './settlement.js';
import { verdictOnDestination } from './verdict-on-destination.js';

const THERE = 'there.example';
const YOU = `you@${THERE}`;

function claimOf(changes: Partial<QueuedEnvelope> = {}): Claim {
  const { id, envelope } = message([YOU], changes);
  const claim = { id, destination: THERE, envelope, size: 1, recipients: [] };
  return { ...claim, fence: 1, leaseUntil: undefined };
}

const BASE: Attempt = {
  status: 'failed',
  domain: THERE,
  host: `mx.${THERE}`,
  port: 25,
  preference: 10,
  mx: 'insecure',
  address: '192.0.2.1',
  tlsa: null,
  policy: { level: 'may', source: 'default' },
  connection: null,
  tls: null,
  handshake: null,
  stage: 'connect',
  reply: null,
  enhancedStatus: '4.4.1',
  reason: 'refused',
  failureType: null,
  sts: null,
  overlooked: [],
  report: { stsPolicy: null, failures: [], sourceAddress: null, ehloName: null },
  exceptions: [],
  recipients: [],
};

const UNREACHABLE: Attempt = BASE;
const SKIPPED: Attempt = { ...BASE, status: 'skipped', stage: null, enhancedStatus: '4.7.5' };
const WITHHELD: Attempt = { ...BASE, enhancedStatus: '4.4.5' };
const refusing = (stage: Attempt['stage'], reply: string): Attempt => {
  return { ...BASE, stage, reply, connection: 'new', enhancedStatus: reply.slice(4, 9) };
};

/** A server answered this at that stage. */
function completed(stage: AttemptRecipient['stage'], reply: string): Attempt {
  const code = Number(reply.slice(0, 3));
  const status = code < 300 ? 'delivered' : code < 500 ? 'deferred' : 'failed';
  const told = { recipient: YOU, status, stage, reply, code, enhancedStatus: null, reason: reply } as const;
  return { ...BASE, status: 'completed', stage: null, connection: 'new', recipients: [told] };
}

const LATER = deferredOutcome(YOU, '4.4.1', 'no connection', `mx.${THERE}`);
const FATE = { reason: 'no connection', host: `mx.${THERE}`, enhancedStatus: '4.4.1' };
const REFUSED: RecipientOutcome = { ...LATER, status: 'failed' };
const NO_MAILBOX = deferredOutcome('nobody', OWN_FAULT, 'it is no mailbox');

const verdict = (
  attempts: readonly Attempt[],
  recipients: readonly RecipientOutcome[] = [LATER],
  envelope: Partial<QueuedEnvelope> = {},
) => {
  const outcome: JobOutcome = { recipients, attempts, unrouted: [] };
  return verdictOnDestination(claimOf(envelope), outcome);
};

describe('a destination is down', () => {
  it.each<[string, readonly Attempt[], (readonly RecipientOutcome[])?]>([
    ['where its look-ups fail', []],
    ['where nobody can be connected to', [UNREACHABLE, UNREACHABLE]],
    ['where no server fulfils the policy', [SKIPPED]],
    ['where a server wants none of us', [refusing('greeting', '554 5.7.1 no')]],
    [
      'where one of the recipients is no mailbox, by what became of the other',
      [UNREACHABLE],
      [NO_MAILBOX, LATER],
    ],
  ])('%s', (_, attempts, recipients) => {
    expect(verdict(attempts, recipients)).toEqual({ kind: 'down', fate: FATE });
  });
});

describe('a destination is not called down', () => {
  it.each<[string, readonly Attempt[], readonly RecipientOutcome[], Partial<QueuedEnvelope>?]>([
    ['where the message asks for REQUIRETLS (RFC 8689)', [SKIPPED], [LATER], { requireTls: true }],
    ['where the message says TLS-Required: No', [UNREACHABLE], [LATER], { tlsRequiredNo: true }],
    ['where the message is returned', [SKIPPED], [REFUSED]],
    ['where one recipient is returned', [SKIPPED], [LATER, REFUSED]],
    ['where none of the recipients is a mailbox', [], [NO_MAILBOX]],
    ['where we waited for leave to connect until the time was over', [WITHHELD], [LATER]],
    [
      'where we waited for leave to connect to one server, and another is down',
      [UNREACHABLE, WITHHELD],
      [LATER],
    ],
  ])('%s', (_, attempts, recipients, envelope) => {
    expect(verdict(attempts, recipients, envelope)).toEqual({ kind: 'unknown' });
  });
});

describe('a destination works', () => {
  it.each<[string, readonly Attempt[]]>([
    ['where it takes the message', [completed('data-end', '250 2.0.0 ok')]],
    ['where it refuses the recipient', [completed('rcpt', '550 5.1.1 unknown')]],
    [
      'where it wants the recipient later: a full mailbox, greylisting',
      [completed('rcpt', '450 4.2.0 later')],
    ],
    ['where it wants the message later', [completed('data-end', '451 4.3.0 later')]],
    ['where one server takes it and another was down', [UNREACHABLE, completed('data-end', '250 2.0.0 ok')]],
    [
      'where a server took it after another had too much to do',
      [completed('mail', '421 4.3.2 later'), completed('data-end', '250 2.0.0 ok')],
    ],
  ])('%s', (_, attempts) => {
    expect(verdict(attempts)).toEqual({ kind: 'works' });
  });
});

describe('a destination is overloaded', () => {
  it.each<[string, Attempt, typeof FATE | undefined]>([
    ['421 to MAIL', completed('mail', '421 4.3.2 too many connections'), undefined],
    ['4yz to MAIL', completed('mail', '450 4.7.1 later'), undefined],
    ['421 to RCPT', completed('rcpt', '421 4.7.0 enough'), undefined],
    ['421 to the final dot', completed('data-end', '421 4.3.2 enough'), undefined],
    ['421 for a greeting: and perhaps it is down', refusing('greeting', '421 4.3.2 too many'), FATE],
    ['4yz for a greeting: and perhaps it is down', refusing('greeting', '450 4.3.2 too many'), FATE],
    ['4yz to EHLO: and perhaps it is down', refusing('ehlo', '451 4.3.2 too many'), FATE],
    ['421 to STARTTLS: and perhaps it is down', refusing('starttls', '421 4.3.2 too many'), FATE],
  ])('%s', (_, attempt, fate) => {
    expect(verdict([attempt])).toEqual({ kind: 'overloaded', fate });
  });

  it('4yz to STARTTLS is not: it is about TLS', () => {
    expect(verdict([refusing('starttls', '454 4.7.0 no TLS now')])).toEqual({ kind: 'down', fate: FATE });
  });
});
