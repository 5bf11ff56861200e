/**
 * Our resolver against Unbound: the same signed zones, the same machine, one run.
 *
 *     npm run bench:dns
 *
 * Needs Debian's nsd, unbound, ldnsutils and dnsperf. All servers are started here and ended here. Takes two to four
 * minutes; names of parts (cold, warm, memory, first, profile) as arguments run only those. Rounds of ours and of Unbound
 * take turns, so that what else the machine does meets both; where it does much, `chrt -f 50 npm run bench:dns`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createResolver } from '@danelaw/dns';
import { inNamespace } from './namespace.js';
import { startNsd, startUnbound, UNBOUND } from './servers.js';
import { makeZones, zoneNames } from './zones.js';

const ZONES = 1_000;
/** Hosts in each zone: with them the cache is filled. */
const HOSTS = 100;
/** Look-ups under way at one time. */
const CONCURRENCY = 48;
const ROUNDS = 5;
const STARTS = 11;
const WARM_SECONDS = 3;
const BARS = { cold: 0.5, warm: 300_000, memory: 100, javascript: 60 };
/** Room for all names, so that what they take can be seen; and how many there are. */
const LARGE_CACHE = 1024 * 1024 * 1024;

const CLIENT = fileURLToPath(new URL('./client.js', import.meta.url));
const forwarding = `${UNBOUND.address}#${UNBOUND.port}`;
const run = promisify(execFile);

if (inNamespace()) await bench(new Set(process.argv.slice(2)));

/** @param {Set<string>} chosen parts to run; all where there are none */
async function bench(chosen) {
  const folder = mkdtempSync(join(tmpdir(), 'danelaw-bench-dns-'));
  const model = cpus()[0]?.model ?? 'unknown processor';
  console.log(
    `Node.js ${process.version}, ${cpus().length} x ${model}, load ${loadavg().map((n) => n.toFixed(1))}`,
  );
  const begun = performance.now();
  const zones = await makeZones(folder, ZONES, HOSTS);
  console.log(`${zones.length} zones signed in ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
  const nsd = await startNsd(folder, zones);
  try {
    const parts = { cold, warm, memory, first, profile };
    const bed = { folder, trustAnchor: zones[0]?.ds ?? '', zones: zoneNames(ZONES) };
    for (const [name, part] of Object.entries(parts))
      if (chosen.size === 0 || chosen.has(name)) await part(bed);
  } finally {
    await nsd.stop();
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

/**
 * @typedef {{ folder: string, trustAnchor: string, zones: string[] }} Bed
 */

/**
 * Runs a task of client.js.
 * @param {string} task
 * @param {Bed} bed
 * @param {Record<string, unknown>} options
 */
async function client(task, { trustAnchor }, options) {
  const all = { trustAnchor, count: ZONES, concurrency: CONCURRENCY, ...options };
  const { stdout } = await run(process.execPath, ['--expose-gc', CLIENT, task, JSON.stringify(all)], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

/** @param {Bed} bed */
async function cold(bed) {
  /** @type {Record<'unbound' | 'iterate' | 'iterateAgain' | 'forward' | 'forwardAgain', number[]>} */
  const perSecond = { unbound: [], iterate: [], iterateAgain: [], forward: [], forwardAgain: [] };
  for (let round = 0; round < ROUNDS; round++) {
    let unbound = await startUnbound(bed.folder, bed.trustAnchor);
    try {
      perSecond.unbound.push(await dnsperf(bed, coldQuestions(bed.zones), ['-n', '1']));
      if (round === 0) await requireValidated(bed);
    } finally {
      await unbound.stop();
    }
    const [firstPass = 0, ...others] = (await client('cold', bed, { upstream: 'iterate' })).perSecond;
    perSecond.iterate.push(firstPass);
    perSecond.iterateAgain.push(...others);
    unbound = await startUnbound(bed.folder, bed.trustAnchor);
    try {
      const [both = 0, ...warmUpstream] = (await client('cold', bed, { upstream: forwarding })).perSecond;
      perSecond.forward.push(both);
      perSecond.forwardAgain.push(...warmUpstream);
    } finally {
      await unbound.stop();
    }
  }
  const reference = median(perSecond.unbound);
  const row = (
    /** @type {string} */ what,
    /** @type {number[]} */ values,
    /** @type {boolean} */ isJudged,
  ) => {
    const ratio = median(values) / reference;
    const verdict = isJudged ? bar(ratio >= BARS.cold, `${BARS.cold}`) : '';
    console.log(`${what.padEnd(62)} ${spread(values)} ${ratio.toFixed(2).padStart(6)} ${verdict}`);
  };
  console.log(
    `Cold validated look-ups a second: MX, then TLSA, of ${ZONES} zones, ${CONCURRENCY} at one time`,
  );
  console.log(`${''.padEnd(62)}  median     min     max  ratio`);
  row('Unbound (one thread)', perSecond.unbound, false);
  row('ours, iterating; first look-ups of a process', perSecond.iterate, true);
  row('ours, iterating; process that has been up', perSecond.iterateAgain, true);
  row('ours, forwarding to Unbound (both cold, both validate)', perSecond.forward, false);
  row('ours, forwarding to Unbound (which has the answers already)', perSecond.forwardAgain, true);
  console.log();
}

/**
 * The same questions in blocks, so that TLSA comes when MX has been answered.
 * @param {readonly string[]} zones
 */
function coldQuestions(zones) {
  const lines = [];
  for (let i = 0; i < zones.length; i += CONCURRENCY) {
    const block = zones.slice(i, i + CONCURRENCY);
    lines.push(...block.map((zone) => `${zone} MX`), ...block.map((zone) => `_25._tcp.mail.${zone} TLSA`));
  }
  return lines;
}

/**
 * Asks Unbound with `dnsperf`, which takes a small part of a core.
 * @param {Bed} bed
 * @param {readonly string[]} questions
 * @param {readonly string[]} limit
 * @returns {Promise<number>} answers a second
 */
async function dnsperf(bed, questions, limit) {
  const file = join(bed.folder, 'questions');
  writeFileSync(file, `${questions.join('\n')}\n`);
  const { address, port } = UNBOUND;
  const server = ['-s', address, '-p', String(port), '-e', '-D', '-q', String(CONCURRENCY)];
  const { stdout } = await run('dnsperf', [...server, '-d', file, ...limit]);
  const number = (/** @type {RegExp} */ pattern) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const lost = number(/Queries lost:\s+(\d+)/);
  if (lost !== 0 || !/Response codes:\s+NOERROR \d+ \(100\.00%\)/.test(stdout)) throw new Error(stdout);
  return number(/Queries per second:\s+([\d.]+)/);
}

/**
 * What Unbound is measured with is validated too: its cache says so now.
 * @param {Bed} bed
 */
async function requireValidated({ zones }) {
  const resolver = createResolver({ upstream: forwarding, trust: 'ad' });
  for (const zone of zones) {
    const { status } = await resolver.resolve(`_25._tcp.mail.${zone}`, 'TLSA');
    if (status !== 'secure') throw new Error(`Unbound says ${status} for ${zone}`);
  }
  await resolver.close();
}

/** @param {Bed} bed */
async function warm(bed) {
  const ours = (await client('warm', bed, { upstream: 'iterate' })).perSecond;
  const unbound = await startUnbound(bed.folder, bed.trustAnchor);
  const theirs = [];
  try {
    const questions = bed.zones.map((zone) => `${zone} MX`);
    await dnsperf(bed, questions, ['-n', '1']);
    for (let i = 0; i < 3; i++) theirs.push(await dnsperf(bed, questions, ['-l', String(WARM_SECONDS)]));
  } finally {
    await unbound.stop();
  }
  console.log('Warm look-ups a second');
  console.log(`${''.padEnd(62)}  median     min     max`);
  console.log(`${'Unbound, over loopback'.padEnd(62)} ${spread(theirs)}`);
  const verdict = bar(median(ours) >= BARS.warm, `${BARS.warm}`);
  console.log(`${'ours, in process, one at a time'.padEnd(62)} ${spread(ours)} ${verdict}\n`);
}

/** @param {Bed} bed */
async function memory(bed) {
  const found = await client('memory', bed, {
    upstream: 'iterate',
    hosts: HOSTS,
    maxCacheOctets: LARGE_CACHE,
  });
  const mega = (/** @type {number} */ octets) => octets / 1024 / 1024;
  const scaled = (mega(found.heap) * 100_000) / found.names;
  console.log(`Memory for ${found.names} cached answers (half A, half TLSA), ${ZONES} zones`);
  console.log(
    `heap growth ${mega(found.heap).toFixed(1)} MiB: ${(found.heap / found.names).toFixed(0)} octets a name`,
  );
  console.log(`resident growth ${mega(found.resident).toFixed(1)} MiB`);
  console.log(`the cache's own estimate ${mega(found.estimated).toFixed(1)} MiB`);
  console.log(
    `for 100,000 names: ${scaled.toFixed(1)} MiB ${bar(scaled <= BARS.memory, `${BARS.memory} MiB`)}\n`,
  );
}

/** @param {Bed} bed */
async function first(bed) {
  const unbound = await startUnbound(bed.folder, bed.trustAnchor);
  /** @type {Record<string, number[]>} */
  const milliseconds = { 'node -e 0 (reference)': [], iterating: [], 'forwarding to Unbound': [] };
  try {
    for (let i = 0; i < STARTS; i++) {
      let begun = Date.now();
      await run(process.execPath, ['-e', '0']);
      milliseconds['node -e 0 (reference)']?.push(Date.now() - begun);
      for (const [what, upstream] of [
        ['iterating', 'iterate'],
        ['forwarding to Unbound', forwarding],
      ]) {
        begun = Date.now();
        const { answered } = await client('first', bed, { upstream, count: i + 1 });
        milliseconds[what ?? '']?.push(answered - begun);
      }
    }
  } finally {
    await unbound.stop();
  }
  console.log('Milliseconds from process start to the first validated answer (MX, three levels down)');
  console.log(`${''.padEnd(62)}  median     min     max`);
  for (const [what, values] of Object.entries(milliseconds))
    console.log(`${what.padEnd(62)} ${spread(values)}`);
  console.log();
}

/** @param {Bed} bed */
async function profile(bed) {
  const found = await client('profile', bed, { upstream: 'iterate' });
  const per = (/** @type {number} */ microseconds) => microseconds / found.messages;
  console.log(
    `CPU of cold look-ups, microseconds a message (${found.messages} messages exchanged, iterating)`,
  );
  console.log(
    `${'whole process, all threads'.padEnd(62)} ${per(found.cpuMicroseconds).toFixed(1).padStart(7)}`,
  );
  const ours = per(found.microseconds['our JavaScript'] ?? 0);
  for (const [kind, time] of sorted(found.microseconds)) {
    const verdict = kind === 'our JavaScript' ? bar(ours <= BARS.javascript, `${BARS.javascript} us`) : '';
    console.log(`${kind.padEnd(62)} ${per(time).toFixed(1).padStart(7)} ${verdict}`);
  }
  const top = (/** @type {Record<string, number>} */ times) =>
    sorted(times)
      .slice(0, 24)
      .map(([what, time]) => `${what} ${per(time).toFixed(1)}`)
      .join(', ');
  console.log(`our files: ${top(found.files)}`);
  console.log(`functions: ${top(found.functions)}\n`);
}

/**
 * @param {Record<string, number>} times
 * @returns {[string, number][]}
 */
function sorted(times) {
  return Object.entries(times).sort(([, a], [, b]) => b - a);
}

/**
 * @param {boolean} isMet
 * @param {string} what
 */
function bar(isMet, what) {
  if (!isMet) process.exitCode = 1;
  return `(bar ${what}) ${isMet ? 'met' : 'MISSED'}`;
}

/** @param {number[]} values */
function spread(values) {
  return [median(values), Math.min(...values), Math.max(...values)]
    .map((value) => value.toFixed(0).padStart(7))
    .join(' ');
}

/** @param {number[]} values */
function median(values) {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1
    ? (ordered[middle] ?? 0)
    : ((ordered[middle - 1] ?? 0) + (ordered[middle] ?? 0)) / 2;
}
