/**
 * What is measured in a process of its own: `node client.js TASK OPTIONS`, options and result as JSON.
 *
 * Run by `run.js`, inside the bench's network namespace.
 */
import { Session } from 'node:inspector/promises';
import { createNetworkTransport, createResolver } from '@danelaw/dns';
import { attribute } from './attribute.js';
import { ADDRESSES, zoneNames } from './zones.js';

/**
 * @typedef {object} Options
 * @property {string} upstream `iterate`, or an address
 * @property {string} trustAnchor
 * @property {readonly string[]} zones
 * @property {number} concurrency look-ups under way at one time
 * @property {number} [hosts]
 * @property {number} [maxCacheOctets]
 */

const HINTS = [{ name: 'ns', address: ADDRESSES.root }];
/** Cold runs in one process: the first with code that no compiler has seen, the others as in a server that has been up. */
const PASSES = 4;
/** Before a profile is taken: until the compiler has come by everywhere. */
const WARM_UP = 6;
const WARM_LOOKUPS = 2_000_000;

/** @type {Record<string, (options: Options) => Promise<unknown>>} */
const TASKS = { cold, first, warm, memory, profile };

const [task = '', json = '{}'] = process.argv.slice(2);
const work = TASKS[task];
if (work === undefined) throw new Error(`no task "${task}"`);
const { count, ...options } = JSON.parse(json);
process.stdout.write(JSON.stringify(await work({ zones: zoneNames(count), ...options })));

/**
 * @param {Options} options
 * @param {import('@danelaw/dns').Transport} [transport]
 */
function resolverFor({ upstream, trustAnchor, maxCacheOctets }, transport) {
  return createResolver({
    upstream,
    trustAnchors: [trustAnchor],
    rootHints: HINTS,
    ...(maxCacheOctets === undefined ? {} : { maxCacheOctets }),
    ...(transport === undefined ? {} : { transport }),
  });
}

/**
 * MX and then TLSA of every zone, as a mail sender asks. Throws where anything but a secure answer comes.
 * @param {import('@danelaw/dns').Resolver} resolver
 * @param {Options} options
 * @returns {Promise<number>} look-ups a second
 */
async function mailLookups(resolver, { zones, concurrency }) {
  const begun = performance.now();
  await inParallel(zones, concurrency, async (zone) => {
    const mx = await secure(resolver, zone, 'MX');
    const data = mx.records[0]?.data;
    if (data?.type !== 'MX') throw new Error(`${zone} has no MX`);
    await secure(resolver, `_25._tcp.${data.exchange}`, 'TLSA');
  });
  return (2 * zones.length * 1000) / (performance.now() - begun);
}

/**
 * @param {import('@danelaw/dns').Resolver} resolver
 * @param {string} name
 * @param {string} type
 */
async function secure(resolver, name, type) {
  const lookup = await resolver.resolve(name, type);
  if (lookup.status === 'secure') return lookup;
  throw new Error(`${type} of ${name} is ${lookup.status}: ${lookup.reason}`);
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {number} atOnce
 * @param {(item: T) => Promise<void>} work
 */
async function inParallel(items, atOnce, work) {
  const entries = items.values();
  const worker = async () => {
    for (const item of entries) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/**
 * An empty cache each time. An upstream is cold only in the first pass.
 * @param {Options} options
 */
async function cold(options) {
  const perSecond = [];
  for (let pass = 0; pass < PASSES; pass++) {
    const resolver = resolverFor(options);
    perSecond.push(await mailLookups(resolver, options));
    await resolver.close();
  }
  return { perSecond };
}

/**
 * The first answer of a process; the caller knows when that process was started.
 * @param {Options} options
 */
async function first(options) {
  const resolver = resolverFor(options);
  await secure(resolver, options.zones.at(-1) ?? '', 'MX');
  const answered = Date.now();
  await resolver.close();
  return { answered };
}

/** @param {Options} options */
async function warm(options) {
  const resolver = resolverFor(options);
  await mailLookups(resolver, options);
  const { zones } = options;
  const perSecond = [];
  for (let pass = 0; pass < PASSES; pass++) {
    const begun = performance.now();
    for (let i = 0; i < WARM_LOOKUPS / PASSES; i++)
      await resolver.resolve(zones[i % zones.length] ?? '', 'MX');
    perSecond.push((WARM_LOOKUPS / PASSES / (performance.now() - begun)) * 1000);
  }
  await resolver.close();
  return { perSecond };
}

/**
 * What the process takes more of with every host's answer in the cache.
 * @param {Options} options
 */
async function memory(options) {
  const { zones, hosts = 0, concurrency } = options;
  const resolver = resolverFor(options);
  // The code itself, compiled, and the chain of trust are there before.
  await mailLookups(resolver, { ...options, zones: zones.slice(0, 50) });
  const before = await settled();
  await inParallel(zones, concurrency, async (zone) => {
    for (let i = 0; i < hosts; i++) await secure(resolver, `h${i}.${zone}`, i % 2 === 0 ? 'A' : 'TLSA');
  });
  const after = await settled();
  const { counters } = resolver;
  await resolver.close();
  return {
    names: counters.entries,
    evicted: counters.evicted,
    estimated: counters.octets,
    heap: after.heap - before.heap,
    resident: after.resident - before.resident,
  };
}

/** Memory after everything that can go has gone; needs `--expose-gc`. */
async function settled() {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.gc?.();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

/**
 * Where the time of cold look-ups goes, once the code is compiled.
 * @param {Options} options
 */
async function profile(options) {
  const network = createNetworkTransport();
  let messages = 0;
  const transport = {
    /** @type {import('@danelaw/dns').Transport['exchange']} */
    exchange(query, server, signal) {
      messages++;
      return network.exchange(query, server, signal);
    },
  };
  const pass = async () => {
    const resolver = resolverFor(options, transport);
    await mailLookups(resolver, options);
    await resolver.close();
  };
  for (let i = 0; i < WARM_UP; i++) await pass();
  messages = 0;
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 1_000 });
  await session.post('Profiler.start');
  const cpu = process.cpuUsage();
  await pass();
  await pass();
  const { user, system } = process.cpuUsage(cpu);
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  await network.close();
  return { messages, cpuMicroseconds: user + system, ...attribute(profile) };
}
