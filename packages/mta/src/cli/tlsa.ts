/** `danelaw tlsa`: for those who receive - records made from keys, and compared with what servers show. */

import type { TlsaParameters } from '@danelaw/dane';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions } from './network-options.js';
import { oneOf } from './option-values.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';
import { defineDeploy } from './tlsa-deploy-options.js';
import { defineRollover } from './tlsa-rollover-options.js';
import { addServerOptions, type ServerOptions } from './tlsa-server-options.js';

export const FORMATS = ['zone', 'generic', 'nsupdate', 'json'] as const;

/** As commander gives them. */
export interface CreateOptions extends ServerOptions {
  readonly record?: readonly TlsaParameters[];
  readonly depth?: number;
  /** Seconds. */
  readonly ttl?: number;
  readonly format?: (typeof FORMATS)[number];
}

export interface VerifyOptions extends ServerOptions {
  readonly certificate?: readonly string[];
  /** False with `--no-server`. */
  readonly server?: boolean;
}

const DESCRIPTION = `TLSA records (RFC 6698, RFC 7671) for those who receive mail: made from certificates and keys, and
compared with what name servers publish and mail servers show.`;

const CREATE = `Prints the TLSA records for a server's certificates and keys, to be put into the zone of HOST. Each
FILE is a certificate, a chain, a key or a certification request, in PEM, DER or PKCS #12; several belong to one server. Without a
FILE the server itself is asked, at every address and for every kind of certificate that it has. What may break
later is told on standard error, with the rule and the remedy.`;

const CREATE_EXAMPLES = `
Which records: "3 1 1" names the server's public key and stays right over renewals with the same key: the right
choice for nearly everyone (RFC 7672 section 3.1.1). "2 1 1" names the key of the authority that issued the
certificate, which the server must send along; good as a second record, for the day on which the server's key
changes by accident. Full data (matching type 0), whole certificates (3 0 1) and public authorities (usages
0 and 1) break easily, or are not used for mail at all.

Examples:
  $ danelaw tlsa create mx.example.org /etc/letsencrypt/live/mx.example.org/cert.pem
  _25._tcp.mx.example.org. IN TLSA 3 1 1 8d02536c887482bc34ff54e41d2ba659bf85b341a0a20afadb5813dcfbcf286d

  $ danelaw tlsa create mx.example.org fullchain.pem --record '3 1 1' --record '2 1 1'
  $ danelaw tlsa create mx.example.org current.pem next.csr         # both, before the key changes
  $ danelaw tlsa create mx.example.org cert.pem --format nsupdate | nsupdate -k update.key
  $ danelaw tlsa create mx.example.org                              # from the server that runs

Exit codes: 0 done    64 usage    65 a file holds nothing of use, or what does not belong together
            66 unreadable file    69 the server shows no certificate    75 it could not be asked
            78 unusable trust anchors or hints`;

const VERIFY = `Compares the TLSA records of HOST with what the server shows: the records as our own resolver validates them
and as each authoritative name server has them (with the serial of its zone), against the certificates that every address shows for
RSA, ECDSA and EdDSA signatures, in TLS 1.3 and 1.2, with SNI and without. With --certificate also against one that is about to be
deployed: that is safe when every name server publishes a record for it.`;

const VERIFY_EXAMPLES = `
Examples:
  $ danelaw tlsa verify mx.example.org
  $ danelaw tlsa verify mx.example.org --certificate next.pem       # may the server be switched to it?
  $ danelaw tlsa verify mx.example.org --certificate next.csr --no-server && systemctl reload postfix

Exit codes: 0 all of it matches    64 usage    65 a file holds nothing of use, or what does not belong
            together    66 unreadable file    69 something does not match, or is not published
            75 not all could be asked    78 unusable trust anchors or hints`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description(prose(DESCRIPTION));
  defineCreate(command, io, finish);
  defineVerify(command, io, finish);
  defineDeploy(command.command('deploy'), io, finish);
  defineRollover(command, io, finish);
}

function defineCreate(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  const create = command
    .command('create')
    .summary("print the TLSA records for a server's certificates and keys")
    .description(prose(CREATE))
    .argument('<host>', 'the mail host, as its MX record names it')
    .argument('[file...]', 'certificates, keys or certification requests')
    .optionsGroup('Records:')
    .addOption(
      new Option(
        '--record <parameters>',
        'usage, selector and matching type, as in "3 1 1"; may be several (default: "3 1 1")',
      ).argParser(parametersValue),
    )
    .addOption(
      new Option(
        '--depth <n>',
        "which certificate above the server's usages 0 and 2 name; 1 is its issuer (default: 1)",
      ).argParser(depthValue),
    )
    .addOption(
      new Option('--ttl <seconds>', "time to live of the records (default: the zone's own)").argParser(
        ttlValue,
      ),
    )
    .addOption(
      new Option(
        '--format <format>',
        'zone: lines of a zone file; generic: the same for software that does not know TLSA (RFC 3597); ' +
          'nsupdate: a script for it (RFC 2136); json (default: zone)',
      ).argParser(oneOf(FORMATS)),
    );
  create.option(
    '--dry-run',
    'accepted as everywhere: nothing is changed in any case, records are only printed',
  );
  addServerOptions(create).addHelpText('after', CREATE_EXAMPLES);
  addDnsOptions(create);
  addOutputOptions(create);
  create.action(async (host: string, files: string[], options: CreateOptions) => {
    const module = await import('./tlsa-create.js');
    finish(await module.create(host, files, options, io));
  });
}

function defineVerify(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  const verify = command
    .command('verify')
    .summary('compare what is published with what the server shows')
    .description(prose(VERIFY))
    .argument('<host>', 'the mail host, as its MX record names it')
    .optionsGroup('Certificates:')
    .addOption(
      new Option(
        '--certificate <file>',
        'about to be deployed: a certificate with its chain, a request or a key; may be several',
      ).argParser((file: string, others: readonly string[] = []) => [...others, file]),
    )
    .option('--no-server', 'look at DNS and the files alone');
  addServerOptions(verify).addHelpText('after', VERIFY_EXAMPLES);
  addDnsOptions(verify);
  addOutputOptions(verify);
  verify.action(async (host: string, options: VerifyOptions) => {
    const module = await import('./tlsa-verify.js');
    finish(await module.verify(host, options, io));
  });
}

/** `3 1 1`, and what people write for it. */
export function parametersValue(
  text: string,
  others: readonly TlsaParameters[] = [],
): readonly TlsaParameters[] {
  const match = /^([0-9]+)[ ,._-]?([0-9]+)[ ,._-]?([0-9]+)$/u.exec(text.trim());
  const [, usageText = '', selectorText = '', matchingText = ''] = match ?? [];
  const usage = one(usageText, [0, 1, 2, 3]);
  const selector = one(selectorText, [0, 1]);
  const matchingType = one(matchingText, [0, 1, 2]);
  if (usage === undefined || selector === undefined || matchingType === undefined) {
    throw new InvalidArgumentError(
      'Expected three numbers, as in "3 1 1": usage 0 to 3 (3: the server itself, 2: an authority above it), selector ' +
        '0 (certificate) or 1 (public key), matching type 0 (in full), 1 (SHA2-256) or 2 (SHA2-512).',
    );
  }
  return [...others, { usage, selector, matchingType }];
}

function one<T extends number>(text: string, values: readonly T[]): T | undefined {
  return values.find((value) => String(value) === text);
}

function depthValue(text: string): number {
  const depth = /^[1-9]$/u.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(depth)) throw new InvalidArgumentError('A depth is a number from 1 to 9.');
  return depth;
}

/** RFC 2181 section 8. */
const MAX_TTL = 2 ** 31 - 1;

export function ttlValue(text: string): number {
  const ttl = /^[0-9]{1,10}$/u.test(text) ? Number(text) : Number.NaN;
  if (ttl <= MAX_TTL) return ttl;
  throw new InvalidArgumentError(
    `A time to live is a number of seconds from 0 to ${MAX_TTL} (RFC 2181 section 8).`,
  );
}
