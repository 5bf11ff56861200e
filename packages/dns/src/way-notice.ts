/** What people are told about the way in which DNS is asked (`ways-out.ts`): what was tried, what came of it, what to do. */

/** What a person should know about the way that was found. Said when it changes, not for each question. */
export interface Notice {
  readonly code: 'forwarding' | 'iterating' | 'fallback' | 'no-way-out';
  readonly text: string;
}

/** What is wrong with each way, as far as it is known. */
export interface Tries {
  /** By server. */
  readonly system: Map<string, string>;
  iterating: string;
  /** By server. */
  readonly fallback: Map<string, string>;
  /** The network had a way to none of those that were tried. */
  isCutOff: boolean;
  /** How many servers that were, of the system, of the root and of the fallback. */
  unreached: number;
}

/** @param servers those that are used from now on */
export function noticeText(code: Notice['code'], servers: readonly string[], tried: Tries): string {
  switch (code) {
    case 'forwarding':
      return `DNS is asked through the system's resolvers again (${servers.join(', ')}): they serve DNSSEC records now.`;
    case 'iterating':
      return (
        `None of the system's resolvers can be used for DNSSEC: ${list(tried.system)}. ` +
        "The Internet's own name servers are asked instead, from the root down; every answer is validated here."
      );
    case 'fallback':
      return (
        `None of the system's resolvers can be used for DNSSEC: ${list(tried.system)}. Asking the Internet's own name servers ` +
        `failed too: the root ${tried.iterating}. DNS over TLS to ${servers.join(', ')} is used instead; every answer is ` +
        'validated here.'
      );
    case 'no-way-out':
      return lostText(tried);
    default: {
      const never: never = code;
      return never;
    }
  }
}

/** Why no question can be asked, and what would help: a reason like others, which sentences go on after. */
export function lostText(tried: Tries): string {
  if (tried.isCutOff && tried.unreached > 0) {
    const [first] = [...tried.system, ['the root', tried.iterating]];
    return (
      `DNS can't be asked: none of ${tried.unreached} name servers can be reached from here: ${first?.join(' ')}. ` +
      'Ways out: a network that works, with port 53 (UDP and TCP) open to the Internet, or a DNS-over-TLS server as a fallback'
    );
  }
  const overTls = tried.fallback.size === 0 ? 'none is configured' : list(tried.fallback);
  return (
    `DNS can't be asked from this network in any way that can be validated. The system's resolvers: ${list(tried.system)}. ` +
    `From the root: it ${tried.iterating}. DNS over TLS: ${overTls}. Ways out: a validating resolver on this machine, ` +
    'port 53 (UDP and TCP) open to the Internet, or a DNS-over-TLS server as a fallback'
  );
}

function list(tried: ReadonlyMap<string, string>): string {
  return [...tried].map(([server, reason]) => `${server} ${reason}`).join('; ') || 'none';
}
