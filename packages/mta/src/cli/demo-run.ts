/**
 * One message to each domain of the demonstration, handed to its relay over SMTP; what the relay says became of it,
 * and the judgement on each.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Expected, expectedUnder, type Internet, mailDomain, type Scenario } from '@danelaw/lab';
import type { LabFiles } from './demo-files.js';
import { type Came, judge, type Through } from './demo-judge.js';
import { DEMO_SENDER, demoMessage, HOME } from './demo-message.js';
import { type DemoRelay, startDemoRelay } from './demo-relay.js';
import { cameTo, Stories, type Story } from './demo-story.js';
import { CommandError, EXIT } from './exit.js';
import { type HandedOver, handOver } from './hand-over.js';

export interface DemoRow {
  readonly scenario: Scenario;
  readonly recipient: string;
  /** What it should come to, through this relay. */
  readonly expected: Expected;
  /** Undefined where nothing became of it in time. */
  readonly story: Story | undefined;
  readonly came: Came | undefined;
  /** What is not as it should be; empty where all is well. */
  readonly faults: readonly string[];
}

/** Messages under way at once: all of these servers and their keys are one process. */
const AT_ONCE = 24;
/** Milliseconds for one message. Its relay gives the slowest server four seconds for each step. */
const PATIENCE = 30_000;

export interface DemoOptions {
  /** What the relay was configured with. */
  readonly level: 'dane' | 'dane-only';
  readonly signal: AbortSignal;
  /** Hears how many are done. */
  readonly tell: (words: string) => void;
}

export interface Demo {
  readonly relay: DemoRelay;
  readonly rows: readonly DemoRow[];
}

/**
 * Starts the relay and sends. The relay goes on, and is the caller's to stop.
 * @throws (rejects) CommandError where the relay does not start, or ends; the signal's reason
 */
export async function runDemo(internet: Internet, files: LabFiles, options: DemoOptions): Promise<Demo> {
  const stories = new Stories();
  const relay = await startDemoRelay(files.config, (event) => stories.hear(event));
  try {
    const rows = await Promise.race([
      sendAll(internet, relay, stories, options),
      rejectedBy(options.signal),
      relay.ended.then((why) => {
        throw new CommandError(EXIT.UNAVAILABLE, `the relay of the demonstration ended: ${why}`);
      }),
    ]);
    return { relay, rows };
  } catch (error) {
    await relay.stop();
    throw error;
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function sendAll(
  internet: Internet,
  relay: DemoRelay,
  stories: Stories,
  options: DemoOptions,
): Promise<DemoRow[]> {
  const scenarios = internet.scenarios.filter((scenario) => scenario !== HOME);
  const { mailServers } = internet;
  const sent: Sent[] = [];
  const recipients = scenarios.map((scenario) => `you@${mailDomain(scenario, mailServers)}`);
  const waiting = recipients.entries();
  const worker = async (): Promise<void> => {
    for (const [index, recipient] of waiting) {
      sent[index] = await sendOne(recipient, relay, stories);
      const done = Object.keys(sent).length;
      options.tell(`the relay has tried ${done} of ${scenarios.length} messages ...`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  // Their connections have ended, or do so at once: then the records are complete.
  await Promise.all([...mailServers.values()].map((server) => server.whenIdle()));
  return scenarios.map((scenario, index): DemoRow => {
    const recipient = recipients[index] ?? '';
    const { story, through } = sent[index] ?? NOTHING;
    const row = { scenario, recipient, story, came: story && cameTo(story) };
    const expected = scenario.literal === undefined ? expectedUnder(scenario, options.level) : OWN_LITERAL;
    const octets = demoMessage(recipient);
    const faults = judge({ ...row, expected, octets, through, servers: mailServers });
    return { ...row, expected, faults };
  });
}

/**
 * All addresses of the lab are this machine's, and a relay does not send to itself (RFC 5321 section 5.1). Who sends
 * without one, sends there.
 */
const OWN_LITERAL: Expected = {
  status: 'failed',
  because: "the address literal is this machine's own, so mail for it would come back",
  evidence: { enhancedStatus: '5.4.6', failure: null, stage: null },
};

interface Sent {
  /** Undefined where nothing became of it in time. */
  readonly story: Story | undefined;
  readonly through: Through;
}

const NOTHING: Sent = { story: undefined, through: 'relay' };

async function sendOne(recipient: string, { smtp }: DemoRelay, stories: Stories): Promise<Sent> {
  const stop = new AbortController();
  const handed = await handOver({
    ...smtp,
    name: 'client.home.example',
    from: DEMO_SENDER,
    to: [recipient],
    octets: demoMessage(recipient),
    eightBit: true,
    notify: undefined,
    ret: undefined,
    envid: undefined,
    signal: stop.signal,
  });
  const reply = refusalOf(handed);
  if (reply !== undefined) return { story: refused(recipient, reply), through: 'refusal' };
  const late = sleep(PATIENCE, undefined, { signal: stop.signal });
  try {
    const story = await Promise.race([stories.of(recipient), late]);
    if (story?.outcome.event === 'bounced') await Promise.race([stories.reported(story), late]);
    return { story: story ?? undefined, through: 'relay' };
  } finally {
    late.catch(() => {});
    stop.abort();
  }
}

/** The relay did not take it: its reply is all that there is to tell. */
function refused(to: string, reply: string): Story {
  const nobody = { host: null, address: null, mx: null, tls: null };
  const enhancedStatus = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3}) /u.exec(reply)?.[1] ?? null;
  return { id: '', steps: [], outcome: { event: 'refused', to, ...nobody, enhancedStatus, reason: reply } };
}

/** Undefined where the relay has the message. */
function refusalOf(handed: HandedOver): string | undefined {
  switch (handed.status) {
    case 'accepted':
      return handed.refused[0]?.reply;
    case 'refused':
      return handed.reply;
    case 'unreachable':
      return handed.reason;
    default: {
      const never: never = handed;
      return never;
    }
  }
}
