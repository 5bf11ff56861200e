/** @danelaw/smtp: delivers one message to one destination, under a TLS policy. */
export type { Admit, ConnectionReport, Permit } from './admission.js';
export { MAX_CHAIN_CERTIFICATES } from './chain.js';
export { type Client, type ClientOptions, DEFAULT_LIMITS, type Limits, makeClient } from './client.js';
export { connectFrom, type SourceAddresses } from './connect-from.js';
export { type Connect, connectTcp, type Target } from './connection.js';
export type { ConnectDecision, Decision, SkipDecision } from './decision.js';
export { type DeliverOptions, deliver, type Envelope } from './deliver.js';
export type { DsnRequest, RecipientDsn } from './delivery-status.js';
export { type Consignment, type DestinationResult, deliverToDestination } from './destination.js';
export { withoutDotStuffing } from './dot-stuffing.js';
export { type ExceptionUse, exceptionUses } from './exception-use.js';
export type { Demand, FailureType } from './fault.js';
export {
  type Authenticated,
  type DaneAuthenticated,
  type FingerprintAuthenticated,
  type JudgedFailure,
  type Judgement,
  judge,
  type PkixAuthenticated,
  type Verification,
  type Verify,
} from './judge.js';
export type { Discover } from './locate.js';
export type { Login } from './login.js';
export { isHostName, type Mailbox, parseDomain, parseMailbox } from './mailbox.js';
export {
  type CheckedMessage,
  checkMessage,
  MAX_LINE_OCTETS,
  type Message,
  type MessageFault,
} from './message.js';
export { MtaSts, type MtaStsOptions, type StsAsk } from './mta-sts.js';
export { type CachedStsPolicy, StsCache } from './mta-sts-cache.js';
export { matchesMx, parseStsPolicy, type StsMode, type StsPolicyBody } from './mta-sts-policy.js';
export { readStsRecord, type StsRecord } from './mta-sts-record.js';
export type {
  Attempt,
  AttemptRecipient,
  Delivery,
  OutcomeStatus,
  RecipientOutcome,
  TlsaSummary,
  Unrouted,
} from './outcome.js';
export {
  type Audit,
  type ClearPolicy,
  type DanePolicy,
  type EncryptPolicy,
  type FingerprintPolicy,
  type InsecureMx,
  type Lenience,
  type MinTls,
  type OpportunisticPolicy,
  POLICY_LEVELS,
  type PolicyLevel,
  type StartTlsPolicy,
  type StsPolicy,
  type StsRequirement,
  type TlsPolicy,
  type VerifyPolicy,
} from './policy.js';
export {
  defaultPolicy,
  type Exception,
  explainPolicy,
  MAX_RULES,
  type PolicyRule,
  type PolicyTable,
  type ResolvedPolicy,
  type RuleMatch,
  resolvePolicy,
} from './policy-table.js';
export { PolicyTableError, parsePolicyTable } from './policy-table-parser.js';
export {
  type AddressProbe,
  type HostProbe,
  type PresentedCertificate,
  type ProbedServer,
  type ProbeOptions,
  type ProbeReport,
  probe,
} from './probe.js';
export { formatReply, isReplyFault, type Reply, type ReplyFault, ReplyParser } from './reply.js';
export type { ReportFacts, ReportFailure } from './report-facts.js';
export {
  type HostsRoute,
  hostsRoute,
  MAX_MX_HOSTS,
  type NextHop,
  type Route,
  type RouteHost,
  type RouteOptions,
  relayRoute,
  route,
} from './route.js';
export type { ConnectionOrigin } from './session.js';
export {
  DEFAULT_POOL_LIMITS,
  type PoolLimits,
  type PoolOptions,
  type PoolStatistics,
  SessionPool,
} from './session-pool.js';
export type { NoStsPolicy, StsFinding, StsPolicyFinding, StsProblem, StsSource } from './sts-finding.js';
export { DEFAULT_TIMEOUTS, type Stage, type Timeouts } from './timeouts.js';
export type { TlsFacts } from './tls-facts.js';
export { type DecisionInput, decide, type LocalPolicy, needsSts } from './tls-policy.js';
export type { MayHandOver } from './transaction.js';
