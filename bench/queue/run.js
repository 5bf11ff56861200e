/**
 * The embedded queue by itself: how many messages it takes and settles in a second, and how long it takes to
 * open with a million recipients in it.
 *
 *     node bench/queue/run.js [add | start] [--recipients N] [--directory DIR]
 *
 * `add` (default 5,000 messages of 10 KiB for each row) says what group commit gives. `start` fills a queue, then
 * opens it in a process of its own and claims 100 works; memory is that process's largest resident set.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openEmbeddedQueue } from '../../packages/mta/dist/queue/embedded/open.js';
import { makeQueueId } from '../../packages/mta/dist/queue/queue-id.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    recipients: { type: 'string', default: '1000000' },
    messages: { type: 'string', default: '5000' },
    directory: { type: 'string' },
  },
});
const BODY = randomBytes(10 * 1024);
const seconds = (since) => (performance.now() - since) / 1000;
const claimRequest = (max) => ({ now: Date.now(), max, limitOf: () => 1e6, lease: 600_000 });

function message(recipients, body = BODY) {
  const arrived = Date.now();
  return {
    id: makeQueueId(arrived, randomBytes),
    envelope: {
      from: 'sender@origin.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived,
      origin: { kind: 'smtp', client: '192.0.2.1', helo: 'client.example', protocol: 'ESMTPS' },
    },
    recipients: recipients.map((address) => ({
      address,
      destination: address.slice(address.indexOf('@') + 1),
    })),
    body,
  };
}

/** Calls `act` for each item, so many at a time. */
async function each(items, concurrent, act) {
  let next = 0;
  const worker = async () => {
    while (next < items) await act(next++);
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
}

async function add(directory) {
  for (const concurrent of [1, 10, 50]) {
    const queue = await openEmbeddedQueue({ directory: join(directory, String(concurrent)) });
    const messages = concurrent === 1 ? Math.ceil(Number(values.messages) / 10) : Number(values.messages);
    const cpu = process.cpuUsage();
    const begun = performance.now();
    await each(messages, concurrent, (i) => queue.add(message([`user@d${i % 100}.example`])));
    const added = seconds(begun);
    const { user, system } = process.cpuUsage(cpu);
    const claiming = performance.now();
    const { claims } = await queue.claim(claimRequest(messages));
    const claimed = seconds(claiming);
    const settling = performance.now();
    await each(claims.length, concurrent, (i) => {
      const recipients = claims[i].recipients.map(({ index }) => ({ index, outcome: 'done' }));
      return queue.settle(claims[i], { recipients, followUps: [] });
    });
    const settled = seconds(settling);
    await queue.close();
    console.log(
      `${concurrent} at a time: ${Math.round(messages / added)} messages/s added ` +
        `(${Math.round((user + system) / messages)} us of CPU each), ` +
        `${Math.round(claims.length / claimed)} claimed, ${Math.round(claims.length / settled)} settled`,
    );
  }
}

async function start(directory) {
  const recipients = Number(values.recipients);
  const queue = await openEmbeddedQueue({ directory });
  const begun = performance.now();
  // As after a day of trouble: most messages have one recipient, at one of ten thousand destinations.
  await each(recipients, 500, (i) =>
    queue.add(message([`user${i}@d${i % 10_000}.example`], BODY.subarray(0, 512))),
  );
  console.log(`${recipients} recipients added in ${seconds(begun).toFixed(1)} s`);
  await queue.close();
  console.log(
    execFileSync(process.execPath, [fileURLToPath(import.meta.url), 'open', '--directory', directory], {
      encoding: 'utf8',
    }),
  );
}

async function openOnly(directory) {
  const begun = performance.now();
  const queue = await openEmbeddedQueue({ directory });
  const opened = seconds(begun);
  const { claims } = await queue.claim(claimRequest(100));
  const counts = await queue.counts();
  const claimed = seconds(begun);
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  await queue.close();
  console.log(
    `${counts.recipients} recipients: open after ${opened.toFixed(2)} s, ${claims.length} claims after ` +
      `${claimed.toFixed(2)} s, ${Math.round(Number(peak) / 1024)} MiB resident at most`,
  );
}

if (positionals[0] === 'open') {
  await openOnly(values.directory);
} else {
  const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'danelaw-bench-'));
  try {
    await (positionals[0] === 'start' ? start(directory) : add(directory));
  } finally {
    if (values.directory === undefined) rmSync(directory, { recursive: true });
  }
}
