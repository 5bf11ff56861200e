/**
 * How fast `danelaw survey` is, and what holds it: 20,000 signed domains under one top-level domain, served by NSD, looked up
 * from the root by one process on this machine. Name servers and survey share its processors: what either uses is told apart.
 *
 *     npm run bench:survey            # BENCH_DOMAINS; as root, or where users may make namespaces
 *
 * Two runs: one as users have it, whose rate and memory count, and one with V8's profiler, which says where the time goes.
 * With BENCH_PROFILE the profile is kept in that folder. Signing takes minutes: with BENCH_ZONES the zones are kept in that
 * folder, and used again for as long as their signatures hold, a day. On a busy machine: `chrt -f 50 npm run bench:survey`.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inNamespace } from '../dns/namespace.js';
import { startNsd, startUnbound, UNBOUND } from '../dns/servers.js';
import { ADDRESSES, makeZones, zoneNames } from '../dns/zones.js';
import { byPart } from './parts.js';
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
      const rate = await measure(folder, nsd.pids);
      if (spawnSync('dnsperf', ['-h']).error === undefined) await peer(folder, zones[0]?.ds ?? '', rate);
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
 * @param {readonly (number | undefined)[]} servers
 */
async function measure(folder, servers) {
  const before = { all: await cpuOfAll(), servers: await cpuOfTrees(servers) };
  const started = performance.now();
  const { child, ended } = survey(folder, [PROGRAM], 'results.jsonl');
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
  const served = (await cpuOfTrees(servers)) - before.servers;
  if (status.dane !== DOMAINS) throw new Error(`not all domains are "dane": ${JSON.stringify(status)}`);

  const rate = DOMAINS / seconds;
  const peak = Math.max(...memory);
  const per = (/** @type {number} */ cpu) => `${((cpu * 1000) / DOMAINS).toFixed(2)} s for 1,000 domains`;
  // The last look may have met a process that was giving all back.
  memory.pop();
  const quarters = [1, 2, 3, 4].map((n) => memory[Math.ceil((n * memory.length) / 4) - 1] ?? 0);
  say(`\n${DOMAINS.toLocaleString('en')} domains, DNS only, from process start to its end`);
  row('time', `${seconds.toFixed(1)} s`);
  row(
    'domains a second',
    `${rate.toFixed(0)}   bar ${BARS.perSecond}: ${rate >= BARS.perSecond ? 'met' : 'MISSED'}`,
  );
  row('CPU of the survey', per(used.all));
  row('  main thread', `${per(used.main)} (${percent(used.main, seconds)} of a core)`);
  for (const [what, cpu] of used.others) row(`  ${what}`, `${per(cpu)} (${percent(cpu, seconds)} of a core)`);
  row('CPU of the name servers', `${per(served)} (${percent(served, seconds)} of a core)`);
  row(
    'CPU of all else',
    `${per(all - used.all - served)} (${percent(all - used.all - served, seconds)} of a core)`,
  );
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
 * @param {number} ours domains a second
 */
async function peer(folder, anchor, ours) {
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
    row('domains a second', `${rate.toFixed(0)}   ours: ${(ours / rate).toFixed(2)} of it`);
    row('CPU of Unbound', `${((used * 1000) / DOMAINS).toFixed(2)} s for 1,000 domains`);
  } finally {
    await unbound.stop();
  }
}

/** @param {string} folder */
async function profile(folder) {
  const home = join(folder, 'profile');
  await mkdir(home);
  const flags = ['--cpu-prof', `--cpu-prof-dir=${home}`, `--cpu-prof-interval=${SAMPLE_EVERY}`];
  await survey(folder, [...flags, PROFILED], 'profiled.jsonl').ended;
  const files = (await readdir(home)).map((name) => join(home, name));
  const { BENCH_PROFILE: kept } = process.env;
  if (kept !== undefined) await Promise.all(files.map((file) => copyFile(file, join(kept, basename(file)))));
  const profiles = await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8'))));
  const { parts, functions } = byPart(profiles);
  const sum = [...parts.values()].reduce((all, time) => all + time, 0);
  say(`\nIts ${files.length} threads: microseconds a domain, and of their time`);
  for (const [part, time] of [...parts].sort(([, a], [, b]) => b - a)) {
    row(part, `${(time / DOMAINS).toFixed(0).padStart(5)}   ${percent(time, sum)}`);
  }
  say('\nIts functions');
  for (const [called, time] of [...functions].sort(([, a], [, b]) => b - a).slice(0, SHOWN_FUNCTIONS)) {
    row(`  ${called}`, `${(time / DOMAINS).toFixed(0).padStart(5)}   ${percent(time, sum)}`);
  }
}

/**
 * @param {string} folder
 * @param {readonly string[]} node what is started, and how
 * @param {string} results
 */
function survey(folder, node, results) {
  const file = (/** @type {string} */ name) => join(folder, name);
  const anchors = ['--trust-anchor', file('root.ds'), '--root-hints', file('root.hints')];
  const argv = [
    'survey',
    '--concurrency',
    String(CONCURRENCY),
    '--resolver',
    'iterate',
    ...anchors,
    '--json',
    '-o',
    file(results),
    file('domains.txt'),
  ];
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
