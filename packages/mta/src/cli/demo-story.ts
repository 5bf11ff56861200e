/**
 * What the relay's log says of each message, put together: from `received` to what became of its recipient, and of
 * the report to its sender where there has to be one.
 */
import type { Came } from './demo-judge.js';
import type { LogEvent } from './demo-relay.js';

/** One message with one recipient. */
export interface Story {
  /** In the queue. */
  readonly id: string;
  /** What led to the outcome: hosts that were passed over, sessions under TLS, rules that were used. */
  readonly steps: readonly LogEvent[];
  /** `delivered`, `deferred` or `bounced`, at the first try; `refused` where the relay did not take it. */
  readonly outcome: LogEvent;
}

const OUTCOMES: ReadonlySet<string> = new Set(['delivered', 'deferred', 'bounced']);
const STEPS: ReadonlySet<string> = new Set(['attempt', 'tls', 'exception', 'overlooked']);

export class Stories {
  /** By id, until the outcome is there. */
  readonly #steps = new Map<string, LogEvent[]>();
  /** By recipient. */
  readonly #told = new Map<string, Story>();
  readonly #waiting = new Map<string, (story: Story) => void>();
  /** By the message that they are about: ids of reports to its sender. */
  readonly #reports = new Map<string, string>();
  /** By id: reports that have arrived, or for which somebody waits. */
  readonly #settled = new Set<string>();
  readonly #onSettled = new Map<string, () => void>();

  hear(event: LogEvent): void {
    const { id } = event;
    if (typeof id !== 'string') return;
    if (STEPS.has(event.event)) {
      const steps = this.#steps.get(id);
      if (steps === undefined) this.#steps.set(id, [event]);
      else steps.push(event);
    } else if (OUTCOMES.has(event.event)) this.#end(id, event);
    else if (event.event === 'queued' && typeof event['about'] === 'string') this.#report(event['about'], id);
  }

  /** Resolves when something has become of the message to this recipient. */
  of(recipient: string): Promise<Story> {
    const story = this.#told.get(recipient);
    if (story !== undefined) return Promise.resolve(story);
    return new Promise((resolve) => this.#waiting.set(recipient, resolve));
  }

  /** Resolves when something has become of the report about a message that bounced. */
  reported({ id }: Story): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isReported(id)) resolve();
      else this.#onSettled.set(id, resolve);
    });
  }

  #end(id: string, outcome: LogEvent): void {
    const { to } = outcome;
    const steps = this.#steps.get(id) ?? [];
    this.#steps.delete(id);
    this.#settled.add(id);
    for (const [about, resolve] of this.#onSettled) if (this.#isReported(about)) resolve();
    if (typeof to !== 'string' || this.#told.has(to)) return;
    const story = { id, steps, outcome };
    this.#told.set(to, story);
    this.#waiting.get(to)?.(story);
    this.#waiting.delete(to);
  }

  #report(about: string, id: string): void {
    this.#reports.set(about, id);
    if (this.#settled.has(id)) this.#onSettled.get(about)?.();
  }

  #isReported(about: string): boolean {
    const report = this.#reports.get(about);
    return report !== undefined && this.#settled.has(report);
  }
}

/** What the relay says that it came to. */
export function cameTo({ steps, outcome }: Story): Came {
  const { host, address } = outcome;
  const decisive = steps.findLast(
    (step) => step['host'] === host && step['address'] === address && isSession(step),
  );
  const isDelivered = outcome.event === 'delivered';
  return {
    status: statusOf(outcome.event),
    host: textOf(host),
    address: textOf(address),
    mx: outcome['mx'] === 'secure' || outcome['mx'] === 'insecure' ? outcome['mx'] : null,
    tls: isDelivered ? tlsOf(outcome, decisive) : 'none',
    enhancedStatus: textOf(outcome['enhancedStatus']),
    failure: isDelivered ? null : textOf(decisive?.['failure']),
    stage: isDelivered ? null : textOf(decisive?.['stage']),
  };
}

const isSession = ({ event }: LogEvent): boolean => event === 'attempt' || event === 'tls';

function statusOf(event: string): Came['status'] {
  if (event === 'bounced' || event === 'refused') return 'failed';
  return event === 'delivered' ? 'delivered' : 'deferred';
}

function tlsOf(outcome: LogEvent, session: LogEvent | undefined): Came['tls'] {
  if (outcome['tls'] === null) return 'none';
  const by = session?.['authenticated'];
  if (typeof by !== 'object' || by === null || !('by' in by)) return 'unauthenticated';
  if (by.by === 'pkix') return 'trusted';
  if (by.by !== 'dane' || !('record' in by) || !('baseDomain' in by)) return 'fingerprint';
  const parameters = String(by.record).split(' ').slice(0, 3).join(' ');
  return { by: parameters, baseDomain: String(by.baseDomain) };
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
