/**
 * `danelaw resolve NAME TYPE`: one look-up, and how far its answer can be trusted.
 */
import { isAnswered, type Lookup } from '@danelaw/dns';
import type { Command } from 'commander';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions, type DnsOptions } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printableJson } from './printable.js';
import { describeLookup, lookupJson } from './resolve-report.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';

const DESCRIPTION = `
Looks up NAME and TYPE and says which of the four states of RFC 4035 section 4.3 the answer has:

  secure         proved, from a trust anchor down to the answer (or to the proof that there is none)
  insecure       proved that the zone is not signed: the answer may be true, and no one can tell
  bogus          it should be provable and is not: forged, stripped, expired or broken
  indeterminate  no answer: a time-out, SERVFAIL, REFUSED, a malformed message

Only the first two carry records. Mail to a name that is bogus or indeterminate waits (RFC 7672
section 2.1).
`.trim();

const EXAMPLES = `
Examples:
  $ danelaw resolve _25._tcp.mx.example.org TLSA
  _25._tcp.mx.example.org TLSA is secure.

    _25._tcp.mx.example.org    3600  TLSA  3 1 1 8d02536c887482bc...

  Chain of trust:
    .  trust anchor -> key 20326 (RSASHA256), which signs 46441
    org  DS -> key 26974 (RSASHA256), which signs 6302
    example.org  DS -> key 370 (ECDSAP256SHA256), which signs 11542

  $ danelaw resolve --explain example.org MX      the same as a tree, with every signature
  $ danelaw resolve --resolver 9.9.9.9 --json example.org MX
  $ danelaw resolve --resolver 127.0.0.1#5353 --trust-anchor root.key broken.example A
  broken.example A is bogus:
    the signature of A of broken.example expired on 2026-11-01T00:00:00Z
    RFC 8914 code 7

Exit codes: 0 secure or insecure, also where there is no such record or name
            75 bogus or indeterminate    64 usage    78 unusable trust anchors or hints`;

type ResolveOptions = DnsOptions & { readonly explain?: boolean };

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(DESCRIPTION)
    .argument('<name>', 'a domain name; a dot at its end is optional')
    .argument('<type>', 'a mnemonic (A, MX, TLSA, DNSKEY ...) or TYPEnnn')
    .addHelpText('after', EXAMPLES);
  command.option('--explain', 'draw the chain of trust as a tree, and what each step rests on');
  addDnsOptions(command);
  addOutputOptions(command);
  command.action(async (name: string, type: string, options: ResolveOptions) =>
    finish(await resolve(name, type, options, io)),
  );
}

async function resolve(name: string, type: string, options: ResolveOptions, io: Io): Promise<ExitCode> {
  const lookup = await withResolver(options, clockFrom(options.at), io, async (resolver) => {
    try {
      return await resolver.resolve(name, type, { signal: io.signal, explain: options.explain === true });
    } catch (error) {
      if (error instanceof TypeError) throw new CommandError(EXIT.USAGE, error.message);
      throw error;
    }
  });
  if (options.json) io.stdout.write(`${printableJson(lookupJson(lookup))}\n`);
  else
    io.stdout.write(
      `${describeLookup(lookup, paletteFor(io.stdout, io.env), widthOf(io.stdout)).join('\n')}\n`,
    );
  return exitCodeOf(lookup);
}

/** A denial is an answer: it, too, was asked for and given. */
function exitCodeOf(lookup: Lookup): ExitCode {
  return isAnswered(lookup) ? EXIT.OK : EXIT.TEMPORARY;
}
