/**
 * An outcome as it comes back from the thread that tried: values in a fixed order, without their names.
 *
 * From thread to thread an object goes with the name of each of its values, and an attempt has thirty: they cost more
 * than what they name. And each value goes once: as a rule, what became of a recipient is what the last attempt says
 * of it. Lists that are empty, as most are, are null on the way.
 */
import type {
  Attempt,
  AttemptRecipient,
  RecipientOutcome,
  TlsaSummary,
  TlsFacts,
  Unrouted,
} from '@danelaw/smtp';
import type { JobOutcome } from './job.js';

export interface CarriedOutcome {
  readonly attempts: readonly CarriedAttempt[];
  /** One for each recipient of the claim; null where it is as the last attempt has it at the same place. */
  readonly recipients: readonly (RecipientOutcome | null)[];
  readonly unrouted?: readonly Unrouted[];
  readonly ours?: true;
}

/** An object that is null has null for its first value here, and whatever is said beside each of the others. */
type CarriedAttempt = readonly [
  status: Attempt['status'],
  domain: string,
  host: string,
  port: number,
  preference: number | null,
  mx: Attempt['mx'],
  address: string | null,
  tlsaStatus: TlsaSummary['status'] | null,
  baseDomain: string | null,
  records: TlsaSummary['records'] | null,
  tlsaReason: string | null,
  level: NonNullable<Attempt['policy']>['level'] | null,
  source: string,
  connection: Attempt['connection'],
  protocol: string | null,
  cipher: string,
  serverName: string | null,
  authenticated: TlsFacts['authenticated'],
  tlsReason: string,
  handshake: number | null,
  stage: Attempt['stage'],
  reply: string | null,
  enhancedStatus: string | null,
  reason: string,
  failureType: Attempt['failureType'],
  sts: Attempt['sts'],
  overlooked: Attempt['overlooked'] | null,
  stsPolicy: Attempt['report']['stsPolicy'],
  failures: Attempt['report']['failures'] | null,
  sourceAddress: string | null,
  ehloName: string | null,
  exceptions: Attempt['exceptions'] | null,
  recipients: readonly CarriedRecipient[],
];

type CarriedRecipient = readonly [
  recipient: string,
  status: AttemptRecipient['status'],
  stage: AttemptRecipient['stage'],
  reply: string | null,
  code: number | null,
  enhancedStatus: string | null,
  reason: string,
  dsn: boolean,
];

export function packOutcome({ attempts, recipients, unrouted, ours }: JobOutcome): CarriedOutcome {
  const last = attempts.at(-1);
  return {
    attempts: attempts.map(packAttempt),
    recipients: recipients.map((outcome, place) => (isAsTold(outcome, last, place) ? null : outcome)),
    ...(unrouted.length === 0 ? {} : { unrouted }),
    ...(ours === undefined ? {} : { ours }),
  };
}

export function unpackOutcome(carried: CarriedOutcome): JobOutcome {
  const { unrouted = [], ours } = carried;
  const attempts = carried.attempts.map(unpackAttempt);
  const last = attempts.at(-1);
  const recipients = carried.recipients.map((outcome, place) => outcome ?? asTold(last, place));
  return ours === undefined ? { recipients, attempts, unrouted } : { recipients, attempts, unrouted, ours };
}

function isAsTold(outcome: RecipientOutcome, attempt: Attempt | undefined, place: number): boolean {
  const told = attempt?.recipients[place];
  return (
    attempt !== undefined &&
    told !== undefined &&
    outcome.recipient === told.recipient &&
    outcome.status === told.status &&
    outcome.stage === told.stage &&
    outcome.reply === told.reply &&
    outcome.code === told.code &&
    outcome.enhancedStatus === told.enhancedStatus &&
    outcome.reason === told.reason &&
    outcome.dsn === told.dsn &&
    outcome.host === attempt.host &&
    outcome.address === attempt.address &&
    outcome.tls === attempt.tls &&
    outcome.mx === attempt.mx &&
    outcome.exceptions === attempt.exceptions
  );
}

function asTold(attempt: Attempt | undefined, place: number): RecipientOutcome {
  const told = attempt?.recipients[place];
  if (attempt === undefined || told === undefined) throw new Error(`no attempt tells of recipient ${place}`);
  const { recipient, status, stage, reply, code, enhancedStatus, reason, dsn } = told;
  const { host, address, tls, mx, exceptions } = attempt;
  return dsn === undefined
    ? { recipient, status, stage, reply, code, enhancedStatus, reason, host, address, tls, mx, exceptions }
    : {
        recipient,
        status,
        stage,
        reply,
        code,
        enhancedStatus,
        reason,
        dsn,
        host,
        address,
        tls,
        mx,
        exceptions,
      };
}

function packAttempt(attempt: Attempt): CarriedAttempt {
  const { tlsa, policy, tls, report } = attempt;
  return [
    attempt.status,
    attempt.domain,
    attempt.host,
    attempt.port,
    attempt.preference,
    attempt.mx,
    attempt.address,
    tlsa === null ? null : tlsa.status,
    tlsa === null ? null : tlsa.baseDomain,
    tlsa === null ? null : orNull(tlsa.records),
    tlsa === null ? null : tlsa.reason,
    policy === null ? null : policy.level,
    policy === null ? '' : policy.source,
    attempt.connection,
    tls === null ? null : tls.protocol,
    tls === null ? '' : tls.cipher,
    tls === null ? null : tls.serverName,
    tls === null ? null : tls.authenticated,
    tls === null ? '' : tls.reason,
    attempt.handshake,
    attempt.stage,
    attempt.reply,
    attempt.enhancedStatus,
    attempt.reason,
    attempt.failureType,
    attempt.sts,
    orNull(attempt.overlooked),
    report.stsPolicy,
    orNull(report.failures),
    report.sourceAddress,
    report.ehloName,
    orNull(attempt.exceptions),
    attempt.recipients.map(packRecipient),
  ];
}

function unpackAttempt([
  status,
  domain,
  host,
  port,
  preference,
  mx,
  address,
  tlsaStatus,
  baseDomain,
  records,
  tlsaReason,
  level,
  source,
  connection,
  protocol,
  cipher,
  serverName,
  authenticated,
  tlsReason,
  handshake,
  stage,
  reply,
  enhancedStatus,
  reason,
  failureType,
  sts,
  overlooked,
  stsPolicy,
  failures,
  sourceAddress,
  ehloName,
  exceptions,
  recipients,
]: CarriedAttempt): Attempt {
  return {
    status,
    domain,
    host,
    port,
    preference,
    mx,
    address,
    tlsa:
      tlsaStatus === null
        ? null
        : { status: tlsaStatus, baseDomain, records: records ?? [], reason: tlsaReason },
    policy: level === null ? null : { level, source },
    connection,
    tls: protocol === null ? null : { protocol, cipher, serverName, authenticated, reason: tlsReason },
    handshake,
    stage,
    reply,
    enhancedStatus,
    reason,
    failureType,
    sts,
    overlooked: overlooked ?? [],
    report: { stsPolicy, failures: failures ?? [], sourceAddress, ehloName },
    exceptions: exceptions ?? [],
    recipients: recipients.map(unpackRecipient),
  };
}

const packRecipient = (told: AttemptRecipient): CarriedRecipient => [
  told.recipient,
  told.status,
  told.stage,
  told.reply,
  told.code,
  told.enhancedStatus,
  told.reason,
  told.dsn === true,
];

function unpackRecipient([
  recipient,
  status,
  stage,
  reply,
  code,
  enhancedStatus,
  reason,
  dsn,
]: CarriedRecipient): AttemptRecipient {
  return dsn
    ? { recipient, status, stage, reply, code, enhancedStatus, reason, dsn }
    : { recipient, status, stage, reply, code, enhancedStatus, reason };
}

const orNull = <Item>(list: readonly Item[]): readonly Item[] | null => (list.length === 0 ? null : list);
