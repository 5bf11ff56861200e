/**
 * What `danelaw send` costs from process start to exit: wall time against the lab, and the time of loading
 * our code.
 *
 *     npm run build && node bench/startup/run.js
 *
 * The lab runs in this process, the program in one of its own, each run with an empty cache: the whole chain
 * of trust is asked for and proved, then one TCP connection and one TLS handshake. `node -e 0` runs in
 * between as the reference: no program on Node.js can be faster than that on this machine, at this moment.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCENARIOS, startInternet } from '@danelaw/lab';

const RUNS = 20;
/** Seconds. */
const BARS = { send: 0.3, load: 0.12 };
const RECIPIENT = 'bench@good-3-1-1.example';

const PROGRAM = fileURLToPath(new URL('../../packages/mta/bin/danelaw.js', import.meta.url));
const SEND = new URL('../../packages/mta/bundle/cli/send.js', import.meta.url).href;
const MAIN = new URL('../../packages/mta/bundle/cli/main.js', import.meta.url).href;

/**
 * As the program loads it: the compile cache first, then the command line, then the command with all
 * libraries.
 */
const LOAD = `
  const begun = performance.now();
  const { default: module } = await import('node:module');
  module.enableCompileCache?.();
  await import(${JSON.stringify(MAIN)});
  await import(${JSON.stringify(SEND)});
  process.stdout.write(String((performance.now() - begun) / 1000));
`;

const directory = mkdtempSync(join(tmpdir(), 'danelaw-bench-'));
const internet = await startInternet(SCENARIOS.filter(({ domain }) => RECIPIENT.endsWith(`@${domain}`)));
try {
  const anchor = join(directory, 'root.ds');
  const message = join(directory, 'message.eml');
  writeFileSync(anchor, internet.trustAnchors.join('\n'));
  writeFileSync(message, 'From: bench@home.example\nSubject: bench\n\nHello!\n');
  const { resolver, smtpPort } = internet;
  const dns = ['--resolver', `${resolver.address}#${resolver.port}`, '--trust-anchor', anchor];
  const send = [PROGRAM, 'send', ...dns, '--smtp-port', String(smtpPort), '-f', '', '-t', RECIPIENT, message];
  const times = { node: [], load: [], send: [] };
  await measure(send); // the first run fills the disk cache, and Node's compile cache where there is one
  for (let i = 0; i < RUNS; i++) {
    times.node.push((await measure(['-e', '0'])).seconds);
    times.load.push(Number((await measure(['--input-type=module', '-e', LOAD])).out));
    times.send.push((await measure(send)).seconds);
  }
  report(times);
} finally {
  await internet.close();
  rmSync(directory, { recursive: true });
}

/**
 * Runs Node.js with these arguments; throws where it does not end with 0.
 * @param {string[]} argv
 */
async function measure(argv) {
  const begun = performance.now();
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  const [code] = await once(child, 'exit');
  const seconds = (performance.now() - begun) / 1000;
  if (code !== 0) throw new Error(`node ${argv.join(' ')} ended with ${code}: ${out}`);
  return { seconds, out };
}

/** @param {{ node: number[], load: number[], send: number[] }} times */
function report(times) {
  const model = cpus()[0]?.model ?? 'unknown processor';
  console.log(`Node.js ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} x ${model}`);
  console.log(`${RUNS} runs each, milliseconds of wall time\n`);
  console.log(
    ['what'.padEnd(44), ...['median', 'min', 'max', 'bar'].map((name) => name.padStart(7))].join(' '),
  );
  const rows = [
    ['node -e 0 (reference)', times.node, undefined],
    ['loading our code for danelaw send', times.load, BARS.load],
    ['danelaw send, from start to exit', times.send, BARS.send],
  ];
  for (const [what, seconds, bar] of rows) {
    const sorted = [...seconds].sort((a, b) => a - b);
    const cells = [median(sorted), sorted[0], sorted.at(-1)].map((each) =>
      (each * 1000).toFixed(0).padStart(7),
    );
    const verdict =
      bar === undefined
        ? ''
        : `${(bar * 1000).toFixed(0).padStart(7)} ${median(sorted) <= bar ? 'met' : 'MISSED'}`;
    console.log(`${what.padEnd(44)} ${cells.join(' ')} ${verdict}`);
    if (bar !== undefined && median(sorted) > bar) process.exitCode = 1;
  }
}

/** @param {number[]} sorted */
function median(sorted) {
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
