/** `danelaw dkim key` and `danelaw dkim record`: keys that sign a domain's mail, and the records that publish them. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isHostName } from '@danelaw/smtp';
import { type Command, Option } from 'commander';
import { parseMailDomain } from '../address.js';
import { readKeyFile, usableKey } from '../dkim/dkim-rules.js';
import {
  type DkimKeyKind,
  type KeyOwner,
  keyRecord,
  keyRecordText,
  makeKeyFile,
  ownerOf,
} from '../dkim/key-record.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { addOutputOptions, fileErrorText } from './network-options.js';
import { printableJson } from './printable.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';

interface KeyOptions {
  readonly domain?: string;
  readonly selector?: string;
  readonly algorithm: DkimKeyKind;
  readonly json?: true;
}

interface RecordOptions {
  readonly domain?: string;
  readonly selector?: string;
  readonly json?: true;
}

const KEY_DESCRIPTION = `Makes a private key in FILE, which only its owner can read, and prints the TXT record that
publishes its public half. A file that is there already is left alone. Publish the record before mail is signed
with the key; to change keys, make another with another selector.`;

const KEY_EXAMPLES = `
Examples:
  $ danelaw dkim key --domain example.org --selector 2026a --algorithm ed25519 /etc/danelaw/dkim/2026a.pem
  2026a._domainkey.example.org. IN TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

Exit codes: 0 done    64 usage    66 the file can't be made`;

const RECORD_DESCRIPTION = `Prints the TXT record that publishes the key in FILE: one that "danelaw dkim key" made, or
any other private key in PEM, RSA or Ed25519.`;

const RECORD_EXAMPLES = `
Examples:
  $ danelaw dkim record /etc/danelaw/dkim/2026a.pem
  $ danelaw dkim record --domain example.org --selector s1 opendkim.private

Exit codes: 0 done    64 usage    65 no key that DKIM can use    66 unreadable file`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command.description('DKIM: keys that sign the mail of a domain (RFC 6376, RFC 8463).');
  const key = command
    .command('key')
    .summary('make a key, and print its record')
    .description(prose(KEY_DESCRIPTION))
    .argument('<file>', 'where the private key is to be kept')
    .option('--domain <domain>', 'the domain that signs')
    .option('--selector <name>', 'tells keys of a domain apart: 2026a')
    .addOption(
      new Option('--algorithm <kind>', 'ed25519 is short and fast, but not every receiver knows it: use both')
        .choices(['rsa2048', 'ed25519'])
        .default('rsa2048'),
    )
    .addHelpText('after', KEY_EXAMPLES);
  addOutputOptions(key);
  key.action(async (file: string, options: KeyOptions) => finish(await makeKey(file, options, io)));
  const record = command
    .command('record')
    .summary('print the record of a key')
    .description(prose(RECORD_DESCRIPTION))
    .argument('<file>', 'the private key')
    .option('--domain <domain>', 'the domain that signs (default: what the file says)')
    .option('--selector <name>', 'its selector (default: what the file says)')
    .addHelpText('after', RECORD_EXAMPLES);
  addOutputOptions(record);
  record.action(async (file: string, options: RecordOptions) => finish(await printRecord(file, options, io)));
}

async function makeKey(file: string, options: KeyOptions, io: Io): Promise<ExitCode> {
  const owner = ownerOption(options);
  if (owner === undefined) throw new CommandError(EXIT.USAGE, 'needs --domain and --selector');
  const text = await makeKeyFile(options.algorithm, owner);
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new CommandError(EXIT.NO_INPUT, `can't make ${file}: ${fileErrorText(error)}`);
  }
  print(createPrivateKey(text), owner, options.json === true, io);
  return EXIT.OK;
}

async function printRecord(file: string, options: RecordOptions, io: Io): Promise<ExitCode> {
  const { key, text } = await readKeyFile(file).catch((error: unknown) => {
    throw new CommandError(EXIT.NO_INPUT, `${file}: ${error instanceof Error ? error.message : error}`);
  });
  const usable = usableKey(key);
  if ('refused' in usable) throw new CommandError(EXIT.DATA, `${file}: ${usable.refused}`);
  if (usable.warning !== undefined) io.stderr.write(`danelaw: ${file}: ${usable.warning}\n`);
  print(key, ownerOption(options) ?? ownerOf(text), options.json === true, io);
  return EXIT.OK;
}

function print(key: KeyObject, owner: KeyOwner | undefined, json: boolean, io: Io): void {
  if (!json) {
    io.stdout.write(`${keyRecord(key, owner)}\n`);
    return;
  }
  const name = owner === undefined ? null : `${owner.selector}._domainkey.${owner.domain}`;
  io.stdout.write(`${printableJson({ name, type: 'TXT', text: keyRecordText(key) })}\n`);
}

/** Both or none. */
function ownerOption({ domain: text, selector }: RecordOptions): KeyOwner | undefined {
  if (text === undefined && selector === undefined) return undefined;
  if (text === undefined || selector === undefined) {
    throw new CommandError(EXIT.USAGE, 'needs --domain and --selector together');
  }
  const parsed = parseMailDomain(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `--domain ${text}: ${parsed.reason}`);
  if (parsed.domain.startsWith('['))
    throw new CommandError(EXIT.USAGE, `--domain ${text}: it must be a name`);
  if (!isHostName(selector)) {
    throw new CommandError(
      EXIT.USAGE,
      `--selector ${selector}: it must be letters, digits, hyphens and dots`,
    );
  }
  return { domain: parsed.domain, selector };
}
