import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createResolver, type Resolver } from '@danelaw/dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dnsPrograms, withNeighbours } from '../interop/neighbours.js';
import { type Difference, describeDifference } from './difference.js';
import { EXPLANATIONS, explanationOf } from './explained.js';
import { planInternet } from './internet-plan.js';
import { type MutatingProxy, startMutatingProxy } from './mutating-proxy.js';
import { describeMutation, type Mutation, mutations, operatorNames } from './mutations.js';
import { inParallel, type PrivateInternet, startPrivateInternet } from './private-internet.js';
import { run } from './run-size.js';
import { startUnbound, type Unbound } from './unbound.js';
import { agree, ourVerdict, unboundVerdict, type Verdict } from './verdict.js';
import type { Question } from './zone-plan.js';

/** Questions under way at one time. */
const AT_ONCE = 8;

withNeighbours(
  `against Unbound (${run.name}, seed ${run.seed})`,
  () => {
    const plans = planInternet(run.seed, run.size);
    const asked = plans.flatMap((zone) => zone.questions.map((question) => ({ zone, question })));
    const allDifferences: Difference[] = [];
    let internet: PrivateInternet;
    let verdicts: ReadonlyMap<Question, Verdict>;

    beforeAll(async () => {
      const start = performance.now();
      internet = await startPrivateInternet(plans);
      const built = performance.now();
      const pairs = await inParallel(AT_ONCE, asked, async ({ question }) => {
        return [question, await unboundVerdict(internet.unbound, question)] as const;
      });
      verdicts = new Map(pairs);
      const counts = countBy(pairs.map(([, { status }]) => status));
      console.log(
        `${plans.length} zones in ${seconds(built - start)}; ${asked.length} questions to Unbound in ` +
          `${seconds(performance.now() - built)}: ${counts}`,
      );
    });
    afterAll(async () => {
      await internet?.stop();
    });

    const ways = {
      'forwarding, through Unbound with CD': () =>
        createResolver({
          upstream: `${internet.unbound.address}#${internet.unbound.port}`,
          trustAnchors: internet.trustAnchors,
        }),
      'iterating, from the root of the authoritative servers': () =>
        createResolver({
          upstream: 'iterate',
          port: internet.port,
          rootHints: internet.rootHints,
          trustAnchors: internet.trustAnchors,
        }),
    };
    describe.each(Object.entries(ways))('%s', (way, make) => {
      let resolver: Resolver;
      const differences: Difference[] = [];
      const again = async (difference: Difference): Promise<Difference | undefined> => {
        const { question } = difference;
        await internet.unbound.forget();
        const theirs = await unboundVerdict(internet.unbound, question);
        const fresh = make();
        const ours = ourVerdict(await fresh.resolve(question.name, question.type), question);
        await fresh.close();
        return agree(ours, theirs) ? undefined : { ...difference, ours, theirs };
      };
      beforeAll(async () => {
        const start = performance.now();
        resolver = make();
        const seen: Difference[] = [];
        await inParallel(AT_ONCE, asked, async ({ zone, question }) => {
          const theirs = verdicts.get(question);
          if (theirs === undefined) throw new Error(`Unbound was not asked for ${question.name}`);
          const ours = ourVerdict(await resolver.resolve(question.name, question.type), question);
          if (!agree(ours, theirs)) seen.push({ zone, question, ours, theirs, way });
        });
        for (const difference of seen) {
          // Where a server was late on a busy machine, Unbound asks it again without EDNS, and gets no signatures. What is
          // seen once more, with nothing else under way and nothing remembered, is no such thing.
          const confirmed = explanationOf(difference) === undefined ? await again(difference) : difference;
          if (confirmed !== undefined) differences.push(confirmed);
        }
        allDifferences.push(...differences);
        console.log(
          `${way}: ${asked.length} questions in ${seconds(performance.now() - start)}, ${differences.length} differences`,
        );
      });
      afterAll(async () => {
        await resolver?.close();
      });

      for (const server of ['nsd', 'bind', 'knot', 'powerdns'] as const) {
        test(`the same verdicts for all names that ${server} serves`, () => {
          const unexplained = differences.filter(
            (difference) => difference.zone.server === server && explanationOf(difference) === undefined,
          );
          expect(unexplained.map(describeDifference)).toEqual([]);
        });
      }
    });

    describe('what someone on the way changed', () => {
      const tried: Mutation[] = [];
      const differences: Tampered[] = [];
      /** Answers that we call secure and that are not the true ones. */
      const lies: Tampered[] = [];
      let proxy: MutatingProxy;
      let behindProxy: Unbound;
      beforeAll(async () => {
        const start = performance.now();
        proxy = await startMutatingProxy(internet.unbound);
        const { trustAnchorFile, trustAnchors, folder } = internet;
        const options = { forwardTo: proxy, trustAnchorFile, folder: join(folder, 'behind-proxy') };
        behindProxy = await startUnbound(options);
        for await (const mutation of mutations(run.seed, run.mutations, { plans, verdicts, proxy })) {
          const { zone, question, target, answer } = mutation;
          proxy.mutate(target.name, target.type, answer);
          await behindProxy.forget();
          const theirs = await unboundVerdict(behindProxy, question);
          // A new one: nothing that was learned before may hide what is changed now.
          const resolver = createResolver({ upstream: `${proxy.address}#${proxy.port}`, trustAnchors });
          const ours = ourVerdict(await resolver.resolve(question.name, question.type), question);
          await resolver.close();
          tried.push(mutation);
          const truth = verdicts.get(question);
          if (truth === undefined) throw new Error(`Unbound was not asked for ${question.name}`);
          const difference = { zone, question, ours, theirs, truth, way: mutation.operator, mutation };
          if (!agree(ours, theirs)) differences.push(difference);
          if (ours.status === 'secure' && !agree(ours, truth)) lies.push(difference);
        }
        allDifferences.push(...differences);
        console.log(
          `${tried.length} mutations in ${seconds(performance.now() - start)}, ${differences.length} differences`,
        );
      });
      afterAll(async () => {
        await behindProxy?.stop();
        await proxy?.stop();
      });

      test('is never taken for the truth: what we call secure is the answer as it was', () => {
        expect(lies.map(describeTampered)).toEqual([]);
      });
      for (const operator of operatorNames) {
        test(`the same verdicts: ${operator}`, () => {
          expect(tried.some((mutation) => mutation.operator === operator)).toBe(true);
          const unexplained = differences.filter(
            (difference) => difference.way === operator && explanationOf(difference) === undefined,
          );
          expect(unexplained.map(describeTampered)).toEqual([]);
        });
      }
    });

    describe('the differences that are explained', () => {
      test.each(EXPLANATIONS.map(({ title }) => title))(
        'have their reason in the documentation: %s',
        async (title) => {
          const page = new URL('../docs/conformance-dnssec.md', import.meta.url);
          expect((await readFile(page, 'utf8')).split('\n')).toContain(`### ${title}`);
        },
      );
      // What no longer differs is to be taken off the list; a smaller or another run need not meet every one.
      test.runIf(run.name === 'full' && run.isDefault)('are all still there', () => {
        const met = new Set(allDifferences.map((difference) => explanationOf(difference)?.title));
        const ofNames = EXPLANATIONS.filter(({ about }) => about === 'names').map(({ title }) => title);
        expect(ofNames.filter((title) => !met.has(title))).toEqual([]);
      });
    });
  },
  dnsPrograms,
);

interface Tampered extends Difference {
  readonly mutation: Mutation;
}

function describeTampered(difference: Tampered): string {
  return `${describeMutation(difference.mutation)}\n${describeDifference(difference)}`;
}

function countBy(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
