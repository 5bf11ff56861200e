/**
 * Reads a CPU profile: how much of the time was spent in whose code.
 *
 * Builtins without a file (an array's `sort`, a binding's `send`) count for whoever called them.
 */

/** Files of our package; `dist` when run from the workspace. */
const OURS = /\/(?:packages|@danelaw)\/dns\/dist\/(.+)\.js$/;
const CRYPTO = /^node:(?:internal\/)?crypto/;

/** Node's own, by what it is for. */
const MARKED = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(idle)', 'idle'],
  // Time in native code that no function called: the event loop and its system calls.
  ['(program)', 'event loop and system calls'],
]);

/**
 * @param {import('node:inspector').Profiler.Profile} profile
 * @returns {{ microseconds: Record<string, number>, files: Record<string, number>, functions: Record<string, number> }}
 *   by kind of code; by our own files; by functions, Node's too
 */
export function attribute(profile) {
  const microseconds = /** @type {Record<string, number>} */ ({});
  const files = /** @type {Record<string, number>} */ ({});
  const functions = /** @type {Record<string, number>} */ ({});
  for (const { url, functionName, time } of ownTimes(profile)) {
    const kind = kindOf(url, functionName);
    microseconds[kind] = (microseconds[kind] ?? 0) + time;
    const file = OURS.exec(url)?.[1];
    if (file !== undefined) files[file] = (files[file] ?? 0) + time;
    const called = `${file ?? url} ${functionName}`;
    functions[called] = (functions[called] ?? 0) + time;
  }
  return { microseconds, files, functions };
}

/**
 * Microseconds of each function alone, by where it is.
 * @param {import('node:inspector').Profiler.Profile} profile
 */
export function ownTimes(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])),
  );
  const own = /** @type {Map<number, number>} */ (new Map());
  const { samples = [], timeDeltas = [] } = profile;
  // A delta is the time before its sample: it belongs to what the sample before it saw.
  for (const [i, sample] of samples.slice(0, -1).entries()) {
    own.set(sample, (own.get(sample) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0));
  }
  return [...own].map(([id, time]) => {
    let at = nodes.get(id);
    while (at !== undefined && at.callFrame.url === '' && !MARKED.has(at.callFrame.functionName)) {
      at = nodes.get(parents.get(at.id) ?? -1);
    }
    const { url = '', functionName = '' } = at?.callFrame ?? {};
    return { url, functionName, time };
  });
}

/**
 * @param {string} url
 * @param {string} functionName
 */
function kindOf(url, functionName) {
  const marked = MARKED.get(functionName);
  if (marked !== undefined) return marked;
  if (OURS.test(url)) return 'our JavaScript';
  if (CRYPTO.test(url)) return 'node:crypto';
  return url.startsWith('node:') ? "Node.js's JavaScript (sockets, timers, events)" : 'the bench itself';
}
