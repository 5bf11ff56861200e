/** @danelaw/smtp: delivers one message to one destination, under a TLS policy. */
export { MAX_CHAIN_CERTIFICATES } from './chain.js';
export { type ClientOptions, DEFAULT_LIMITS, type Limits } from './client.js';
export { type Connect, connectTcp, type Target } from './connection.js';
export { type DeliverOptions, deliver, type Envelope } from './deliver.js';
export type { FailureType } from './fault.js';
export type { Discover } from './locate.js';
export { isHostName, type Mailbox, parseDomain, parseMailbox } from './mailbox.js';
export {
  type CheckedMessage,
  checkMessage,
  MAX_LINE_OCTETS,
  type Message,
  type MessageFault,
} from './message.js';
export type {
  Attempt,
  AttemptRecipient,
  Delivery,
  OutcomeStatus,
  RecipientOutcome,
  TlsaSummary,
} from './outcome.js';
export type {
  ClearPolicy,
  DanePolicy,
  EncryptPolicy,
  OpportunisticPolicy,
  PolicyLevel,
  TlsPolicy,
} from './policy.js';
export { type AddressProbe, type HostProbe, type ProbeOptions, type ProbeReport, probe } from './probe.js';
export { formatReply, isReplyFault, type Reply, type ReplyFault, ReplyParser } from './reply.js';
export {
  type HostsRoute,
  MAX_MX_HOSTS,
  type Route,
  type RouteHost,
  type RouteOptions,
  relayRoute,
  route,
} from './route.js';
export type { Authenticated, TlsFacts, Verification, Verify } from './starttls.js';
export { DEFAULT_TIMEOUTS, type Stage, type Timeouts } from './timeouts.js';
export { type Decision, decide } from './tls-policy.js';
