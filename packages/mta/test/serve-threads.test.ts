/**
 * The threads of the relay that runs: each a core's worth of work, and one that dies under load. What is loaded
 * before the program runs in its threads too, and there it notes who got which job, or ends the thread.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoadedRelay } from './loaded-relay.js';

let lab: LoadedRelay;

beforeEach(async () => {
  lab = await LoadedRelay.open();
});
afterEach(() => lab.close());

/** Puts this into each thread; `hear` gets each message before the thread does. */
async function inThreads(program: string): Promise<Readonly<Record<string, string>>> {
  const file = join(lab.folder, 'in-threads.mjs');
  await writeFile(
    file,
    `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
     import { parentPort, threadId } from 'node:worker_threads';
     const notes = ${JSON.stringify(join(lab.folder, 'notes'))};
     const note = (words) => appendFileSync(notes, words + '\\n');
     const isNoted = (words) => existsSync(notes) && readFileSync(notes, 'utf8').includes(words);
     if (parentPort !== null) {
       ${program}
       const on = parentPort.on.bind(parentPort);
       parentPort.on = (event, listener) =>
         on(event, event !== 'message' ? listener : (message) => (hear(message), listener(message)));
     }`,
  );
  return { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` };
}

const notes = async (): Promise<string[]> =>
  (await readFile(join(lab.folder, 'notes'), 'utf8')).trim().split('\n');

const NOTED = `const hear = ({ kind, job }) => kind === 'job' && note(threadId + ' ' + job.claim.destination);`;

const DOMAINS = Array.from({ length: 20 }, (_, i) => `d${i}.example`);

describe('the threads of the relay', () => {
  it('are as many as there are cores, and share the destinations', async () => {
    const env = await inThreads(NOTED);
    const server = await lab.server();
    await lab.start(Object.fromEntries(DOMAINS.map((domain) => [domain, server.port])), '', env);
    await lab.submit(DOMAINS.flatMap((domain) => [`a@${domain}`, `b@${domain}`]));
    await lab.delivered(2 * DOMAINS.length);
    const [started] = lab.relay?.events.filter(({ event }) => event === 'started') ?? [];
    expect(started?.['threads']).toBe(availableParallelism());
    const domainsOf = new Map<string, Set<string>>();
    for (const line of await notes()) {
      const [thread = '', domain = ''] = line.split(' ');
      domainsOf.set(thread, (domainsOf.get(thread) ?? new Set()).add(domain));
    }
    const shares = [...domainsOf.values()].map(({ size }) => size);
    // Each domain has one thread, and no thread has nearly all of them.
    expect(shares.reduce((sum, size) => sum + size, 0)).toBe(DOMAINS.length);
    if (availableParallelism() > 1) expect(Math.max(...shares)).toBeLessThan(DOMAINS.length - 2);
  });

  it('may die under load: that one is replaced, its mail is tried again, and nobody else is delayed', async () => {
    const env = await inThreads(`
      const hear = ({ kind, job }) => {
        if (kind !== 'job') return;
        note(threadId + ' ' + job.claim.destination);
        const [{ address }] = job.claim.recipients;
        if (!address.startsWith('deadly') || isNoted('died')) return;
        note(threadId + ' died');
        process.exit(1);
      };`);
    const server = await lab.server({ delay: () => 5 });
    const routes = Object.fromEntries(DOMAINS.map((domain) => [domain, server.port]));
    await lab.start(routes, '[delivery]\nworkers = 2\n[retry]\nfirst = "1s"', env);
    const all = DOMAINS.flatMap((domain) => Array.from({ length: 5 }, (_, i) => `you${i}@${domain}`));
    await lab.submit([...all.slice(0, 50), 'deadly@d0.example', ...all.slice(50)]);
    await lab.delivered(all.length + 1);
    const events = lab.relay?.events ?? [];
    expect(events.filter(({ event }) => event === 'thread')).toHaveLength(1);
    const deferred = events.filter(({ event }) => event === 'deferred');
    expect(deferred.map(({ to }) => to)).toContain('deadly@d0.example');
    for (const { reason } of deferred) expect(reason).toContain('may arrive twice');
    // Those that were deferred had been in the thread that died; whoever was not arrived once.
    const died = (await notes()).find((line) => line.endsWith(' d0.example'))?.split(' ')[0];
    const there = new Set(
      (await notes()).flatMap((line) => (line.startsWith(`${died} `) ? [line.split(' ')[1]] : [])),
    );
    for (const { to } of deferred) expect(there).toContain(String(to).split('@')[1]);
    const again = new Set(deferred.map(({ to }) => to));
    const numbers = server.receipts.map(({ number }) => number);
    expect([...new Set(numbers)].sort()).toEqual([...all, 'deadly@d0.example'].sort());
    const once = numbers.filter((number) => !again.has(number));
    expect(new Set(once).size).toBe(once.length);
    expect(await lab.queue('list', '--json')).toBe('');
  });

  it('that can not start keep the relay from starting, and it says why', async () => {
    const env = await inThreads("throw new Error('no such module'); const hear = () => {};");
    await expect(lab.start({}, '', env)).rejects.toThrow(
      /ended with 69 before it listened: .*a thread that delivers can't start: .*no such module/su,
    );
  });
});
