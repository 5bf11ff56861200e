/**
 * One message to each domain of a lab, as `danelaw send` delivers it - without a relay - and the judgement on each.
 */
import { Roots } from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import { expectedUnder, type Internet, mailDomain, type Scenario, withoutEvidence } from '@danelaw/lab';
import {
  type ClientOptions,
  checkMessage,
  type Delivery,
  deliver,
  MtaSts,
  parsePolicyTable,
  parseStsPolicy,
  type RecipientOutcome,
} from '@danelaw/smtp';
import { type Came, judge } from '../src/cli/demo-judge.js';
import { demoMessage } from '../src/cli/demo-message.js';
import { localRules } from '../src/cli/demo-rules.js';
import { everyStage } from '../src/cli/network-options.js';

export interface DeliveredRow {
  readonly scenario: Scenario;
  readonly recipient: string;
  readonly delivery: Delivery;
  /** What is not as it should be; empty where all is well. */
  readonly faults: readonly string[];
}

/**
 * Milliseconds for each step of a server: those of the demonstration are near, and some of them never answer.
 */
const PATIENCE = 2000;
/** Messages under way at once. */
const AT_ONCE = 8;

export interface DeliverOptions {
  /** Where no local rule of a scenario says another one; `dane` by default. */
  readonly level?: 'dane' | 'dane-only';
  /** Closed by its owner. By default one that validates what the resolver of the Internet says. */
  readonly resolver?: Resolver;
  /** Who believes another resolver's AD bit does not hear from it why an answer failed. */
  readonly judgeReasons?: boolean;
  /** The local part of all recipients, which tells runs on one Internet apart. */
  readonly localPart?: string;
}

export async function deliverScenarios(
  internet: Internet,
  signal: AbortSignal,
  options: DeliverOptions = {},
): Promise<DeliveredRow[]> {
  const { level = 'dane', localPart = 'you', judgeReasons = true } = options;
  const { clock, mailServers } = internet;
  const authorities = trustIn(internet);
  const resolver = options.resolver ?? resolverOf(internet);
  const policyTable = parsePolicyTable(localRules(internet, level));
  const sent: Omit<DeliveredRow, 'faults'>[] = [];
  const waiting = internet.scenarios.entries();
  const worker = async (): Promise<void> => {
    for (const [index, scenario] of waiting) {
      const recipient = `${localPart}@${mailDomain(scenario, mailServers)}`;
      const delivery = await deliver({
        resolver,
        heloName: 'home.example',
        envelope: { from: 'me@home.example', to: [recipient] },
        message: messageFor(recipient),
        port: internet.smtpPort,
        level,
        policyTable,
        ...authorities,
        timeouts: everyStage(PATIENCE),
        clock,
        signal,
      });
      sent[index] = { scenario, recipient, delivery };
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    if (options.resolver === undefined) await resolver.close();
  }
  await Promise.all([...mailServers.values()].map((server) => server.whenIdle()));
  return sent.map((row) => {
    const should = expectedUnder(row.scenario, level);
    const expected = judgeReasons ? should : withoutEvidence(should);
    const octets = messageFor(row.recipient).octets;
    const came = cameTo(row.delivery);
    return {
      ...row,
      faults: judge({ ...row, came, expected, octets, through: 'nobody', servers: mailServers }),
    };
  });
}

function resolverOf({ resolver, trustAnchors, clock }: Internet): Resolver {
  return createResolver({ upstream: `${resolver.address}#${resolver.port}`, trustAnchors, clock });
}

/**
 * The lab's public authority in the place of the Web's, and MTA-STS with the policies that were known before.
 */
function trustIn({ web, scenarios, clock }: Internet): Partial<ClientOptions> {
  if (web === null) return {};
  const roots = new Roots(web.roots);
  const sts = new MtaSts({ roots, port: web.port, timeout: PATIENCE });
  for (const { domain, sts: spec } of scenarios) {
    if (spec?.known !== true) continue;
    const parsed = parseStsPolicy(spec.policy);
    if (parsed.status === 'invalid')
      throw new TypeError(`the policy of ${domain} is invalid: ${parsed.reason}`);
    sts.cache.set({ domain, id: spec.id, policy: parsed.policy, fetched: clock() }, clock());
  }
  return { roots, sts };
}

function messageFor(recipient: string) {
  const checked = checkMessage(demoMessage(recipient));
  if (checked.status === 'malformed') throw new Error(checked.reason);
  return checked.message;
}

/** What danelaw says that it came to. */
export function cameTo({
  recipients: [outcome],
  attempts,
  unrouted: [unrouted],
}: Delivery): Came | undefined {
  if (outcome === undefined) return undefined;
  const { status, host, address, mx, enhancedStatus } = outcome;
  const decisive = attempts.findLast((attempt) => attempt.host === host && attempt.address === address);
  const isDelivered = status === 'delivered';
  const failure = decisive === undefined ? unrouted?.failureType : decisive.failureType;
  return {
    status,
    host,
    address,
    mx,
    tls: tlsOf(outcome),
    enhancedStatus,
    failure: isDelivered ? null : (failure ?? null),
    stage: isDelivered ? null : (decisive?.stage ?? null),
  };
}

function tlsOf({ status, tls }: RecipientOutcome): Came['tls'] {
  if (status !== 'delivered' || tls === null) return 'none';
  const { authenticated } = tls;
  if (authenticated === null) return 'unauthenticated';
  if (authenticated.by === 'pkix') return 'trusted';
  if (authenticated.by === 'fingerprint') return 'fingerprint';
  const by = authenticated.record.split(' ').slice(0, 3).join(' ');
  return { by, baseDomain: authenticated.baseDomain };
}
