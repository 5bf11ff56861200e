/**
 * How fast `danelaw survey` is, and what holds it: 20,000 signed domains under one top-level domain, served by NSD, looked up
 * on this machine, from the root and by way of Unbound. All share its processors: what each uses is told apart.
 *
 *     npm run bench:survey            # BENCH_DOMAINS; as root, or where users may make namespaces
 *
 * Three runs: one from the root, whose rate and memory count; one through Unbound that validates, beside `dnsperf`, which asks it
 * the same and does nothing else; and one from the root with V8's profiler, which says where the time goes.
 * With BENCH_PROFILE the profile is kept in that folder. Signing takes minutes: with BENCH_ZONES the zones are kept in that
 * folder, and used again for as long as their signatures hold, a day. On a busy machine: `chrt -f 50 npm run bench:survey`.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inNamespace } from '../dns/namespace.js';
import { startNsd, startUnbound, UNBOUND } from '../dns/servers.js';
import { ADDRESSES, makeZones, zoneNames } from '../dns/zones.js';
import { byPart, IDLE } from './parts.js';
import { cpuOf, cpuOfAll, cpuOfTrees, memoryOf } from './process-use.js';

const PROGRAM = fileURLToPath(new URL('../../packages/mta/bin/danelaw.js', import.meta.url));
const PROFILED = fileURLToPath(new URL('profiled.js', import.meta.url));
const DOMAINS = Number(process.env['BENCH_DOMAINS'] ?? 20_000);
/** The survey's own number is for the Internet. Here each level has one server, which gets 20 questions at a time: more wait in line. */
const CONCURRENCY = Number(process.env['BENCH_CONCURRENCY'] ?? 50);
const BARS = { perSecond: 300, mebibytes: 300 };
/** Milliseconds between two looks at the process. */
const LOOK_EVERY = 250;
/** Microseconds between two samples of the profile. */
const SAMPLE_EVERY = 1_000;
/** Domains whose questions of one kind follow each other for Unbound, and questions that it gets at a time. */
const BLOCK = 50;
/** What a survey asks of each. @type {((zone: string) => string)[]} */
const QUESTIONS = [
  (zone) => `${zone} MX`,
  (zone) => `mail.${zone} A`,
  (zone) => `mail.${zone} AAAA`,
  (zone) => `_25._tcp.mail.${zone} TLSA`,
  (zone) => `_mta-sts.${zone} TXT`,
  (zone) => `_smtp._tls.${zone} TXT`,
];
/** Functions of the profile that are shown. */
const SHOWN_FUNCTIONS = Number(process.env['BENCH_FUNCTIONS'] ?? 12);
/** A file's name has date, time, process and thread, whose number is 0 for the main one. */
const OF_MAIN = /^CPU\.\d+\.\d+\.\d+\.0\./u;
let surveys = 0;

async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'danelaw-bench-survey-'));
  try {
    say(
      `Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, load ${loadavg().map((n) => n.toFixed(1))}`,
    );
    const zones = await signedZones(folder);
    await writeFile(join(folder, 'root.ds'), `${zones[0]?.ds}\n`);
    await writeFile(join(folder, 'root.hints'), `. 3600 IN NS ns.\nns. 3600 IN A ${ADDRESSES.root}\n`);
    await writeFile(join(folder, 'domains.txt'), zoneNames(DOMAINS).join('\n'));
    const nsd = await startNsd(folder, zones);
    try {
      say(`\n${DOMAINS.toLocaleString('en')} domains, DNS only, from process start to its end`);
      const rate = await measure(folder, fromRoot(folder), { 'the name servers': nsd.pids });
      if (spawnSync('dnsperf', ['-h']).error === undefined) {
        const anchor = zones[0]?.ds ?? '';
        const peers = await peer(folder, anchor);
        row('from the root', `${(rate / peers).toFixed(2)} of its rate`);
        const through = await throughUnbound(folder, anchor, nsd.pids);
        row('through Unbound', `${(through / peers).toFixed(2)} of the rate of dnsperf`);
      }
      await profile(folder);
    } finally {
      await nsd.stop();
    }
  } finally {
    await rm(folder, { recursive: true, maxRetries: 5 });
  }
}

/**
 * @param {string} folder of this run
 * @returns {Promise<import('../dns/zones.js').SignedZone[]>}
 */
async function signedZones(folder) {
  const { BENCH_ZONES: kept } = process.env;
  const index = join(kept ?? folder, `zones-${DOMAINS}.json`);
  const known = await readFile(index, 'utf8').catch(() => undefined);
  if (known !== undefined) return JSON.parse(known);
  process.stderr.write(`signing ${DOMAINS} zones ...\n`);
  const home = join(kept ?? folder, `zones-${DOMAINS}`);
  await mkdir(home, { recursive: true });
  const zones = await makeZones(home, DOMAINS, 0);
  await writeFile(index, JSON.stringify(zones));
  return zones;
}

/**
 * @param {string} folder
 * @param {readonly string[]} dns options: who is asked
 * @param {Readonly<Record<string, readonly (number | undefined)[]>>} servers processes, by what they are called
 */
async function measure(folder, dns, servers) {
  const served = async () =>
    await Promise.all(Object.values(servers).map(async (pids) => await cpuOfTrees(pids)));
  const before = { all: await cpuOfAll(), served: await served() };
  const started = performance.now();
  const { child, ended } = survey(folder, [PROGRAM], dns);
  let used = { all: 0, main: 0, others: /** @type {Map<string, number>} */ (new Map()) };
  /** @type {number[]} */
  const memory = [];
  const looking = setInterval(async () => {
    const mebibytes = await memoryOf(child.pid ?? 0);
    if (mebibytes > 0) memory.push(mebibytes);
    used = most(used, await cpuOf(child.pid ?? 0));
  }, LOOK_EVERY);
  const { status } = await ended.finally(() => clearInterval(looking));
  const seconds = (performance.now() - started) / 1000;
  const all = (await cpuOfAll()) - before.all;
  const ofServers = (await served()).map((cpu, i) => cpu - (before.served[i] ?? 0));
  if (status.dane !== DOMAINS) throw new Error(`not all domains are "dane": ${JSON.stringify(status)}`);

  const rate = DOMAINS / seconds;
  const peak = Math.max(...memory);
  const per = (/** @type {number} */ cpu) => `${((cpu * 1000) / DOMAINS).toFixed(2)} s for 1,000 domains`;
  // The last look may have met a process that was giving all back.
  memory.pop();
  const quarters = [1, 2, 3, 4].map((n) => memory[Math.ceil((n * memory.length) / 4) - 1] ?? 0);
  row('time', `${seconds.toFixed(1)} s`);
  row(
    'domains a second',
    `${rate.toFixed(0)}   bar ${BARS.perSecond}: ${rate >= BARS.perSecond ? 'met' : 'MISSED'}`,
  );
  row('CPU of the survey', per(used.all));
  row('  main thread', `${per(used.main)} (${percent(used.main, seconds)} of a core)`);
  for (const [what, cpu] of used.others) row(`  ${what}`, `${per(cpu)} (${percent(cpu, seconds)} of a core)`);
  for (const [i, name] of Object.keys(servers).entries()) {
    const cpu = ofServers[i] ?? 0;
    row(`CPU of ${name}`, `${per(cpu)} (${percent(cpu, seconds)} of a core)`);
  }
  const others = ofServers.reduce((rest, cpu) => rest - cpu, all - used.all);
  row('CPU of all else', `${per(others)} (${percent(others, seconds)} of a core)`);
  row(
    'most memory (PSS)',
    `${peak.toFixed(0)} MiB   bar ${BARS.mebibytes}: ${peak < BARS.mebibytes ? 'met' : 'MISSED'}`,
  );
  row('memory after each quarter', `${quarters.map((each) => each.toFixed(0)).join(', ')} MiB`);
  return rate;
}

/**
 * Of two looks at a process the later one; but while a process ends, its threads are gone first.
 * @param {import('./process-use.js').Used} before
 * @param {import('./process-use.js').Used | undefined} now
 */
function most(before, now = before) {
  const others = new Map(now.others);
  for (const [what, cpu] of before.others) others.set(what, Math.max(cpu, others.get(what) ?? 0));
  return { all: Math.max(before.all, now.all), main: Math.max(before.main, now.main), others };
}

/**
 * The same questions to Unbound (one thread), from an empty cache, by `dnsperf`: what a script with a resolver would do at best.
 * @param {string} folder
 * @param {string} anchor
 * @returns {Promise<number>} domains a second
 */
async function peer(folder, anchor) {
  const questions = join(folder, 'questions');
  const names = zoneNames(DOMAINS);
  const lines = [];
  for (let i = 0; i < names.length; i += BLOCK) {
    const block = names.slice(i, i + BLOCK);
    for (const ask of QUESTIONS) lines.push(...block.map(ask));
  }
  await writeFile(questions, `${lines.join('\n')}\n`);
  const unbound = await startUnbound(folder, anchor);
  try {
    const server = ['-s', UNBOUND.address, '-p', String(UNBOUND.port), '-e', '-D', '-q', String(BLOCK)];
    const before = await cpuOfTrees(unbound.pids);
    const { stdout } = await promisify(execFile)('dnsperf', [...server, '-d', questions, '-n', '1'], {
      maxBuffer: 16 * 1024 * 1024,
    });
    const used = (await cpuOfTrees(unbound.pids)) - before;
    const lost = Number(/Queries lost:\s+(\d+)/u.exec(stdout)?.[1]);
    const seconds = Number(/Run time \(s\):\s+([\d.]+)/u.exec(stdout)?.[1]);
    if (lost !== 0 || !(seconds > 0)) throw new Error(stdout);
    const rate = DOMAINS / seconds;
    say('\nUnbound, one thread, asked the same by dnsperf');
    row('domains a second', rate.toFixed(0));
    row(
      'CPU of Unbound',
      `${((used * 1000) / DOMAINS).toFixed(2)} s for 1,000 domains (${percent(used, seconds)} of a core)`,
    );
    return rate;
  } finally {
    await unbound.stop();
  }
}

/**
 * The survey that believes the same Unbound, from an empty cache.
 * @param {string} folder
 * @param {string} anchor
 * @param {readonly (number | undefined)[]} nameServers
 */
async function throughUnbound(folder, anchor, nameServers) {
  const unbound = await startUnbound(folder, anchor);
  try {
    say('\nThe survey through that Unbound, which validates');
    const dns = ['--resolver', `${UNBOUND.address}#${UNBOUND.port}`, '--trust', 'ad'];
    return await measure(folder, dns, { Unbound: unbound.pids, 'the name servers': nameServers });
  } finally {
    await unbound.stop();
  }
}

/** @param {string} folder */
async function profile(folder) {
  const home = join(folder, 'profile');
  await mkdir(home);
  const flags = ['--cpu-prof', `--cpu-prof-dir=${home}`, `--cpu-prof-interval=${SAMPLE_EVERY}`];
  await survey(folder, [...flags, PROFILED], fromRoot(folder)).ended;
  const files = await readdir(home);
  const { BENCH_PROFILE: kept } = process.env;
  if (kept !== undefined) for (const file of files) await copyFile(join(home, file), join(kept, file));
  /** @param {(file: string) => boolean} wanted */
  const profiles = (wanted) =>
    Promise.all(
      files.filter(wanted).map(async (file) => JSON.parse(await readFile(join(home, file), 'utf8'))),
    );
  const asking = await profiles((file) => !OF_MAIN.test(file));
  const { parts, functions } = byPart(asking);
  const sum = [...parts.values()].reduce((all, time) => all + time, 0);
  say(`\nThe ${asking.length} threads that ask: microseconds a domain, and of their time`);
  for (const [part, time] of [...parts].sort(([, a], [, b]) => b - a)) {
    row(part, `${(time / DOMAINS).toFixed(0).padStart(5)}   ${percent(time, sum)}`);
  }
  const main = byPart(await profiles((file) => OF_MAIN.test(file))).parts;
  const busy = [...main].reduce((all, [part, time]) => (part === IDLE ? all : all + time), 0);
  row('the main thread, without its idle time', (busy / DOMAINS).toFixed(0).padStart(5));
  say('\nTheir functions');
  for (const [called, time] of [...functions].sort(([, a], [, b]) => b - a).slice(0, SHOWN_FUNCTIONS)) {
    row(`  ${called}`, `${(time / DOMAINS).toFixed(0).padStart(5)}   ${percent(time, sum)}`);
  }
}

/** @param {string} folder */
function fromRoot(folder) {
  const anchors = ['--trust-anchor', join(folder, 'root.ds'), '--root-hints', join(folder, 'root.hints')];
  return ['--resolver', 'iterate', ...anchors];
}

/**
 * @param {string} folder
 * @param {readonly string[]} node what is started, and how
 * @param {readonly string[]} dns options: who is asked
 */
function survey(folder, node, dns) {
  const results = join(folder, `results-${++surveys}.jsonl`);
  const common = ['--concurrency', String(CONCURRENCY), '--json', '-o', results];
  const argv = ['survey', ...common, ...dns, join(folder, 'domains.txt')];
  const child = spawn(process.execPath, [...node, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`the survey ended with ${code}`)),
    );
  });
  return { child, ended };
}

/** @param {number} part @param {number} whole */
const percent = (part, whole) => `${((100 * part) / whole).toFixed(0).padStart(2)} %`;

/** @param {string} text */
const say = (text) => console.log(text);

/** @param {string} what @param {string} value */
const row = (what, value) => say(`${what.padEnd(50)} ${value}`);

if (inNamespace()) await main();
