/**
 * A process that has the embedded queue open, for tests that kill it. Its work is told by its arguments:
 *
 *     node queue-process.js own DIRECTORY              owns the queue, says so, and waits
 *     node queue-process.js change DIRECTORY ACTION    changes everything, as a visitor
 *     node queue-process.js add DIRECTORY ID...        adds messages of these ids, as a visitor
 *     node queue-process.js work DIRECTORY PREFIX      adds, claims and settles until it is killed
 *
 * `work` writes one line for what it was promised: "added ID", "settling ID", "settled ID".
 */
import { writeSync } from 'node:fs';
import { openEmbeddedQueue } from '../dist/queue/embedded/open.js';

const [work, directory, ...rest] = process.argv.slice(2);
/** At once, as far as the system is concerned: a pipe keeps it when the process is killed. */
const say = (line) => writeSync(1, `${line}\n`);
/** Messages that are added, and works that are settled, at a time. */
const CONCURRENT = 20;
const NOW = 1_800_000_000_000;

function message(id, body) {
  return {
    id,
    envelope: {
      from: 'sender@origin.example',
      requireTls: false,
      smtpUtf8: false,
      eightBit: false,
      utf8Header: false,
      tlsRequiredNo: false,
      arrived: NOW,
      origin: { kind: 'smtp' },
    },
    recipients: [{ address: 'a@one.example', destination: 'one.example' }],
    body: new TextEncoder().encode(body),
  };
}

async function adder(queue, prefix, number) {
  for (let i = number; ; i += CONCURRENT) {
    const id = prefix + String(i).padStart(6, '0');
    await queue.add(message(id, `body of ${id}`));
    say(`added ${id}`);
  }
}

async function settler(queue) {
  for (;;) {
    const { claims } = await queue.claim({
      now: NOW,
      max: CONCURRENT,
      limitOf: () => CONCURRENT,
      lease: 60_000,
    });
    await Promise.all(
      claims.map(async (claim) => {
        say(`settling ${claim.id}`);
        const recipients = claim.recipients.map(({ index }) => ({ index, outcome: 'done' }));
        const { status } = await queue.settle(claim, { recipients, followUps: [] });
        if (status === 'settled') say(`settled ${claim.id}`);
      }),
    );
    if (claims.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

const mode = work === 'change' || work === 'add' ? 'visitor' : 'owner';
const queue = await openEmbeddedQueue({ directory, mode, minFree: 0 });
say('open');
switch (work) {
  case 'own':
    setInterval(() => {}, 1000);
    break;
  case 'change':
    say(String(await queue.change({}, rest[0], NOW)));
    await queue.close();
    break;
  case 'add':
    for (const id of rest) await queue.add(message(id, `body of ${id}`));
    await queue.close();
    break;
  case 'work':
    await Promise.all(
      [...Array(CONCURRENT).keys()].map((i) => adder(queue, rest[0], i)).concat(settler(queue)),
    );
    break;
}
