/**
 * Reads what strace wrote (`-f -ttt -y -v -xx`): system calls, in the order in which they began and returned.
 */

export interface SystemCall {
  readonly name: string;
  /** Place in the trace where it began, and where it had returned. */
  readonly began: number;
  readonly returned: number;
  /** Milliseconds since the epoch when it began. */
  readonly time: number;
  readonly arguments: string;
  /** What it returned: a number, or a descriptor with its path. */
  readonly result: string;
}

export function readTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const unfinished = new Map<string, { began: number; time: number; text: string }>();
  for (const [place, line] of text.split('\n').entries()) {
    const match = /^(\d+) +(\d+\.\d+) (.*)$/su.exec(line);
    if (match === null) continue;
    const [, pid = '', seconds = '', rest = ''] = match;
    const time = Number(seconds) * 1000;
    const cut = rest.indexOf(' <unfinished ...>');
    if (cut !== -1) {
      unfinished.set(pid, { began: place, time, text: rest.slice(0, cut) });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/su.exec(rest);
    const begun = resumed === null ? undefined : unfinished.get(pid);
    if (resumed !== null) unfinished.delete(pid);
    const whole = begun === undefined ? rest : begun.text + (resumed?.[1] ?? '');
    const parsed = /^(\w+)\((.*)\)\s+= (\S+(?:<[^>]*>)?)/su.exec(whole);
    if (parsed === null) continue;
    const [, name = '', argumentsText = '', result = ''] = parsed;
    calls.push({
      name,
      began: begun?.began ?? place,
      returned: place,
      time: begun?.time ?? time,
      arguments: argumentsText,
      result,
    });
  }
  return calls;
}

/** The descriptor that a call begins with, and what it leads to. */
export function descriptorOf(text: string): { readonly fd: number; readonly path: string } | undefined {
  const match = /^(\d+)<([^>]*)>/u.exec(text);
  if (match === null) return undefined;
  return { fd: Number(match[1]), path: unhex(match[2] ?? '').toString('utf8') };
}

/** Every quoted text of a call, as octets. */
export function textsOf(text: string): Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/gu)].map((match) => unhex(match[1] ?? ''));
}

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex');
