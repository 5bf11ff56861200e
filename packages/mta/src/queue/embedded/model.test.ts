import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Claim, NewMessage, Queue, QueueAction } from '../queue.js';
import { again, collect, done, message, NOW, request } from '../suite.js';
import { openEmbeddedQueue } from './open.js';

const runs = Number(process.env['DANELAW_FUZZ'] ?? 30);
const DESTINATIONS = ['one.example', 'two.example', 'three.example'];

type Step =
  | { readonly kind: 'add'; readonly to: readonly number[] }
  | { readonly kind: 'claim'; readonly max: number; readonly limit: number }
  | {
      readonly kind: 'settle';
      readonly which: number;
      readonly done: number;
      readonly wait: number;
      readonly bounce: boolean;
    }
  | { readonly kind: 'release'; readonly which: number }
  | { readonly kind: 'change'; readonly to: number; readonly action: QueueAction }
  | { readonly kind: 'down'; readonly to: number; readonly wait: number }
  | { readonly kind: 'time'; readonly wait: number }
  | { readonly kind: 'reopen' };

const wait = fc.integer({ min: 0, max: 50 });
const destination = fc.nat(DESTINATIONS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('add'),
      to: fc.array(destination, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('claim'), max: fc.nat(4), limit: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('settle'),
      which: fc.nat(9),
      done: fc.nat(15),
      wait,
      bounce: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constant('release'), which: fc.nat(9) }),
  fc.record({
    kind: fc.constant('change'),
    to: destination,
    action: fc.constantFrom<QueueAction[]>('hold', 'release', 'retry', 'delete'),
  }),
  fc.record({ kind: fc.constant('down'), to: destination, wait }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time'), wait: fc.integer({ min: -20, max: 60 }) }) },
  fc.record({ kind: fc.constant('reopen') }),
);

interface Known {
  readonly destination: string;
  due: number;
  held: boolean;
  attempts: number;
}

/** The queue, as simple as can be: recipients by message and index, and what is in hand. */
class Model {
  now = NOW;
  readonly recipients = new Map<string, Known>();
  readonly live: Claim[] = [];
  readonly down = new Map<string, number>();

  add({ id, recipients }: NewMessage): void {
    for (const [index, { destination }] of recipients.entries()) {
      this.recipients.set(`${id} ${index}`, { destination, due: this.now, held: false, attempts: 0 });
    }
  }

  /** Indices that a claim of the work has to have. */
  due(id: string, destination: string): readonly number[] {
    return [...this.recipients]
      .filter(([key, one]) => key.startsWith(id) && one.destination === destination)
      .filter(([, one]) => !one.held && one.due <= this.now)
      .map(([key]) => Number(key.split(' ')[1]));
  }

  /** Works that could be claimed at a destination. */
  claimable(destination: string): readonly string[] {
    if ((this.down.get(destination) ?? 0) > this.now) return [];
    const ids = new Set([...this.recipients.keys()].map((key) => key.split(' ')[0] ?? ''));
    const inHand = (id: string) => this.live.some((one) => one.id === id && one.destination === destination);
    return [...ids].filter((id) => !inHand(id) && this.due(id, destination).length > 0);
  }
}

async function run(queue: Queue, model: Model, step: Step): Promise<void> {
  const { now, live } = model;
  switch (step.kind) {
    case 'add': {
      const added = message(
        step.to.map((i) => `a@${DESTINATIONS[i]}`),
        { arrived: now },
      );
      await queue.add(added);
      return model.add(added);
    }
    case 'claim': {
      const room = (name: string) =>
        Math.min(
          step.limit - live.filter((one) => one.destination === name).length,
          model.claimable(name).length,
        );
      const most = DESTINATIONS.reduce((sum, name) => sum + Math.max(0, room(name)), 0);
      const { claims } = await queue.claim(request({ now, max: step.max, limitOf: () => step.limit }));
      expect(claims).toHaveLength(Math.min(step.max, most));
      for (const claim of claims) {
        expect(model.claimable(claim.destination)).toContain(claim.id);
        expect(claim.recipients.map(({ index }) => index)).toEqual(model.due(claim.id, claim.destination));
        live.push(claim);
      }
      return;
    }
    case 'settle':
      return settle(queue, model, step);
    case 'release': {
      const [claim] = live.splice(step.which % (live.length + 1), 1);
      if (claim !== undefined) await queue.release(claim);
      return;
    }
    case 'change':
      return change(queue, model, step.action, DESTINATIONS[step.to] ?? '');
    case 'down': {
      const name = DESTINATIONS[step.to] ?? '';
      const notBefore = now + step.wait;
      await queue.setDestination(name, { destination: name, notBefore, failures: 1, reason: 'x' });
      model.down.set(name, notBefore);
      return;
    }
    case 'time':
      model.now += step.wait;
      return;
    case 'reopen':
      live.length = 0;
      return;
  }
}

async function settle(queue: Queue, model: Model, step: Step & { kind: 'settle' }): Promise<void> {
  const [claim] = model.live.splice(step.which % (model.live.length + 1), 1);
  if (claim === undefined) return;
  const due = model.now + step.wait;
  const recipients = claim.recipients.map(({ index }) =>
    (step.done & (1 << index)) === 0 ? again(index, due) : done(index),
  );
  const bounce = message(['sender@one.example'], { arrived: model.now, from: '' });
  const { status } = await queue.settle(claim, { recipients, followUps: step.bounce ? [bounce] : [] });
  const left = recipients.filter(({ index }) => model.recipients.has(`${claim.id} ${index}`));
  expect(status).toBe(left.length > 0 ? 'settled' : 'lost');
  for (const { index, outcome } of left) {
    const known = model.recipients.get(`${claim.id} ${index}`);
    if (outcome === 'done') model.recipients.delete(`${claim.id} ${index}`);
    else if (known !== undefined) Object.assign(known, { due, attempts: known.attempts + 1 });
  }
  if (status === 'settled' && step.bounce) model.add(bounce);
}

async function change(queue: Queue, model: Model, action: QueueAction, destination: string): Promise<void> {
  const named = [...model.recipients].filter(([, one]) => one.destination === destination);
  expect(await queue.change({ destination }, action, model.now)).toBe(named.length);
  for (const [key, known] of named) {
    if (action === 'delete') model.recipients.delete(key);
    else if (action === 'retry') known.due = model.now;
    else known.held = action === 'hold';
  }
  if (action === 'retry' && named.length > 0) model.down.delete(destination);
}

async function mustBeAsIn(queue: Queue, model: Model): Promise<void> {
  const found = (await collect(queue.list({}))).flatMap(({ id, recipients }) =>
    recipients.map(({ index, destination, state: { due, held, attempts } }) => [
      `${id} ${index}`,
      { destination, due, held, attempts },
    ]),
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(model.recipients));
  const held = [...model.recipients.values()].filter((one) => one.held).length;
  expect(await queue.counts()).toMatchObject({ recipients: model.recipients.size, held });
}

it('the embedded queue does what a list of recipients would do, whatever happens in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const directory = await mkdtemp(join(tmpdir(), 'danelaw-queue-'));
      const model = new Model();
      let queue = await openEmbeddedQueue({ directory, minFree: 0 });
      try {
        for (const one of steps) {
          if (one.kind === 'reopen') {
            await queue.close();
            queue = await openEmbeddedQueue({ directory, minFree: 0 });
          }
          await run(queue, model, one);
        }
        await mustBeAsIn(queue, model);
      } finally {
        await queue.close();
        await rm(directory, { recursive: true });
      }
    }),
    { numRuns: runs },
  );
}, 120_000);
