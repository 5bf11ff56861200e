/**
 * A resolver that knows what a test gives it: each answer with the status that validation would have found.
 */
import type { Lookup, RecordData, Resolver } from '@danelaw/dns';
import { Name } from '@danelaw/dns';

export interface Fixed {
  readonly status?: 'secure' | 'insecure' | 'bogus' | 'indeterminate';
  readonly rcode?: 'NOERROR' | 'NXDOMAIN';
  readonly records?: readonly RecordData[];
  /** The names that the question is an alias of, in order. */
  readonly aliases?: readonly string[];
}

/** Answers by `name TYPE`. What is not listed is securely denied (NODATA). */
export function fixedResolver(
  answers: Readonly<Record<string, Fixed>>,
): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    close: async () => {},
    resolve: async (name, type, options) => {
      options?.signal?.throwIfAborted();
      asked.push(`${name} ${type}`);
      return lookup(name, type, answers[`${name} ${type}`] ?? {});
    },
  };
}

function lookup(name: string, type: string, fixed: Fixed): Lookup {
  const status = fixed.status ?? 'secure';
  if (status === 'bogus' || status === 'indeterminate')
    return { status, name, type, chain: [], reason: `the test says ${status}` };
  const names = [name, ...(fixed.aliases ?? [])];
  const canonicalName = names.at(-1) ?? name;
  const aliases = names.slice(1).map((to, index) => ({ from: names[index] ?? name, to, status }));
  const records = (fixed.records ?? []).map((data) => ({
    name: canonicalName,
    type: data.type,
    ttl: 300,
    data,
    rdata: new Uint8Array(0),
  }));
  const answer = {
    name,
    type,
    chain: [],
    rcode: fixed.rcode ?? 'NOERROR',
    records,
    aliases,
    canonicalName,
    ttl: 300,
  } as const;
  return status === 'secure'
    ? { status, ...answer }
    : { status, ...answer, reason: 'the test says insecure' };
}

export function mx(preference: number, exchange: string): RecordData {
  return { type: 'MX', preference, exchange: Name.parse(exchange) };
}

export function a(address: string): RecordData {
  return { type: 'A', address };
}

export function aaaa(address: string): RecordData {
  return { type: 'AAAA', address };
}

export function txt(...strings: string[]): RecordData {
  return { type: 'TXT', strings: strings.map((text) => Buffer.from(text, 'latin1')) };
}
