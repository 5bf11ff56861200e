/**
 * One message to each domain of the demonstration, as `danelaw send` delivers it, and the judgement on each.
 */
import { Roots } from '@danelaw/dane';
import { createResolver, type Resolver } from '@danelaw/dns';
import { expectedUnder, type Internet, mailDomain, type Scenario } from '@danelaw/lab';
import {
  type ClientOptions,
  checkMessage,
  type Delivery,
  deliver,
  type Message,
  MtaSts,
  parsePolicyTable,
  parseStsPolicy,
} from '@danelaw/smtp';
import { judge } from './demo-judge.js';
import { localRules } from './demo-rules.js';
import { everyStage } from './network-options.js';

export interface DemoRow {
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

export interface DemoOptions {
  /** Where no local rule of a scenario says another one; `dane` by default. */
  readonly level?: 'dane' | 'dane-only';
  /** Closed by its owner. By default one that validates what the resolver of the Internet says. */
  readonly resolver?: Resolver;
  /** The local part of all recipients, which tells runs on one Internet apart. */
  readonly localPart?: string;
}

export async function runDemo(
  internet: Internet,
  signal: AbortSignal,
  options: DemoOptions = {},
): Promise<DemoRow[]> {
  const { level = 'dane', localPart = 'you' } = options;
  const { clock, mailServers } = internet;
  const authorities = trustIn(internet);
  const resolver = options.resolver ?? resolverOf(internet);
  const policyTable = parsePolicyTable(localRules(internet, level));
  const sent: Omit<DemoRow, 'faults'>[] = [];
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
    const expected = expectedUnder(row.scenario, level);
    const octets = messageFor(row.recipient).octets;
    return { ...row, faults: judge({ ...row, expected, octets, servers: mailServers }) };
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

/**
 * With what is easily damaged on the way: lines that begin with dots, blanks at line ends, text beyond ASCII.
 */
function messageFor(recipient: string): Message {
  const lines = [
    'From: me@home.example',
    `To: ${recipient}`,
    'Subject: danelaw demo',
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    `Message-ID: <demo.${recipient}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '.',
    '..two dots, and a blank at the end: ',
    'Grüße aus dem Danelag.',
    '',
  ];
  const checked = checkMessage(Buffer.from(lines.join('\r\n')));
  if (checked.status === 'malformed') throw new Error(checked.reason);
  return checked.message;
}
