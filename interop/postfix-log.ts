/**
 * What became of a message, as Postfix's log tells it: for each recipient one line with `status=`, and before
 * it, from the same process, how the TLS sessions went.
 */

/**
 * Postfix's word for a session: `Verified` is said of the domain's own server, `Trusted` of the certificate
 * only.
 */
export type SessionWord = 'Verified' | 'Trusted' | 'Untrusted' | 'Anonymous';

export interface Fate {
  readonly status: 'sent' | 'deferred' | 'bounced';
  /** The host as it is logged; `none` where no connection was made. */
  readonly relay: string;
  /** Of the last TLS session with that host; undefined where there was none. */
  readonly session: SessionWord | undefined;
  readonly dsn: string;
  /** What is in the brackets behind the status. */
  readonly reason: string;
  /** All lines of the process since the recipient before. */
  readonly lines: readonly string[];
}

/** `/smtp[12]: 3A4B: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, ..., dsn=2.0.0, status=sent (250)` */
const DELIVERY = new RegExp(
  [
    String.raw`/(?:smtp|error)\[\d+\]: [^ ]+: to=<(?<to>[^>]*)>, relay=(?<relay>[^,[]+)[^,]*,`,
    String.raw`.* dsn=(?<dsn>[0-9.]+), status=(?<status>[a-z]+) \((?<reason>.*)\)$`,
  ].join(''),
  'u',
);
const PROCESS = /\/smtp\[(?<pid>\d+)\]: /u;
const SESSION = /: (?<word>[A-Z][a-z]+) TLS connection established to (?<host>[^[]+)\[/u;

/** By recipient; only the first fate of each, as later ones are of another try. */
export function readFates(log: string): Map<string, Fate> {
  const fates = new Map<string, Fate>();
  const linesOf = new Map<string, string[]>();
  for (const line of log.split('\n')) {
    const pid = PROCESS.exec(line)?.groups?.['pid'];
    if (pid === undefined) continue;
    const lines = linesOf.get(pid) ?? [];
    linesOf.set(pid, [...lines, line]);
    const { to, relay, dsn, status, reason } = DELIVERY.exec(line)?.groups ?? {};
    if (to === undefined || relay === undefined || dsn === undefined || reason === undefined) continue;
    if (status !== 'sent' && status !== 'deferred' && status !== 'bounced') continue;
    linesOf.delete(pid);
    if (!fates.has(to))
      fates.set(to, { status, relay, dsn, reason, session: sessionWith(relay, lines), lines });
  }
  return fates;
}

function sessionWith(relay: string, lines: readonly string[]): SessionWord | undefined {
  const { word, host } =
    lines.map((line) => SESSION.exec(line)?.groups ?? {}).findLast((groups) => groups['word']) ?? {};
  if (host !== relay) return undefined;
  switch (word) {
    case 'Verified':
    case 'Trusted':
    case 'Untrusted':
    case 'Anonymous':
      return word;
    default:
      return undefined;
  }
}
