/**
 * How fast `danelaw survey` is, and what holds it: 20,000 signed domains under one top-level domain, served by NSD, looked up
 * from the root by one process on this machine. Also what of the time goes to whom.
 *
 *     npm run bench:survey            # BENCH_DOMAINS
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inNamespace } from '../dns/namespace.js';
import { startNsd } from '../dns/servers.js';
import { ADDRESSES, makeZones, zoneNames } from '../dns/zones.js';

const PROGRAM = fileURLToPath(new URL('../../packages/mta/bin/danelaw.js', import.meta.url));
const DOMAINS = Number(process.env['BENCH_DOMAINS'] ?? 20_000);
/** Milliseconds between two looks at the process. */
const LOOK_EVERY = 500;
/** Of the kernel, in a second. */
const TICKS = 100;

async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'danelaw-bench-survey-'));
  try {
    process.stderr.write(`signing ${DOMAINS} zones ...\n`);
    const zones = await makeZones(folder, DOMAINS, 0);
    const nsd = await startNsd(folder, zones);
    try {
      await measure(folder, zones[0]?.ds ?? '');
    } finally {
      await nsd.stop();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * @param {string} folder
 * @param {string} anchor DS record of the root
 */
async function measure(folder, anchor) {
  const file = (/** @type {string} */ name) => join(folder, name);
  await writeFile(file('root.ds'), `${anchor}\n`);
  await writeFile(file('root.hints'), `. 3600 IN NS ns.\nns. 3600 IN A ${ADDRESSES.root}\n`);
  await writeFile(file('domains.txt'), zoneNames(DOMAINS).join('\n'));
  const dns = [
    '--resolver',
    'iterate',
    '--trust-anchor',
    file('root.ds'),
    '--root-hints',
    file('root.hints'),
  ];
  const argv = ['survey', ...dns, '--json', '-o', file('results.jsonl'), file('domains.txt')];
  const others = await cpuOfAll();
  const started = performance.now();
  const child = spawn(process.execPath, [PROGRAM, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  let peak = 0;
  let cpu = 0;
  const memory = [];
  const looking = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    const resident = Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1024;
    peak = Math.max(peak, resident);
    memory.push(Math.round(resident));
    cpu = (await cpuOf(child.pid ?? 0)) ?? cpu;
  }, LOOK_EVERY);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(looking);
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`the survey ended with ${code}`);
  const { status } = JSON.parse(out);
  const all = (await cpuOfAll()) - others;
  console.log(
    JSON.stringify(
      {
        domains: DOMAINS,
        status,
        seconds: round(seconds),
        perSecond: Math.round(DOMAINS / seconds),
        cpuSecondsOfTheSurvey: round(cpu),
        cpuSecondsOfAllProcesses: round(all),
        peakMiB: Math.round(peak),
        memoryMiBInTenSteps: tenths(memory),
      },
      null,
      2,
    ),
  );
}

/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100;

/** @param {readonly number[]} values */
const tenths = (values) =>
  Array.from(
    { length: 10 },
    (_, i) => values[Math.min(values.length - 1, Math.floor(((i + 1) * values.length) / 10))],
  );

/** @param {number} pid */
async function cpuOf(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Of both cores, whoever used them. */
async function cpuOfAll() {
  const [, user, nice, system] = (await readFile('/proc/stat', 'utf8')).split('\n')[0]?.split(/\s+/u) ?? [];
  return (Number(user) + Number(nice) + Number(system)) / TICKS;
}

if (inNamespace()) await main();
