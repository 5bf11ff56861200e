/**
 * `danelaw check DOMAIN...`: everything that a sender does short of MAIL FROM, for every address of every
 * mail server, and what comes of it for mail from senders with DANE.
 */
import type { Command } from 'commander';
import { parseMailDomain } from '../address.js';
import { type CheckedDomain, explained } from '../page/checker.js';
import { checkDomain } from './check-domain.js';
import { type Check, checkJson, describeCheck } from './check-report.js';
import { ehloName } from './ehlo-name.js';
import { CommandError, EXIT, type ExitCode, worstOf } from './exit.js';
import {
  addDnsOptions,
  addMailOptions,
  addOutputOptions,
  clientSettings,
  type MailOptions,
} from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { prose } from './prose.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import { writeWhole } from './write-whole.js';

/** Seconds that each step of a server may take: somebody is waiting in front of the screen. */
const DEFAULT_TIMEOUT_SECONDS = 30;

/** Domains at a time. */
const CHECKED_AT_ONCE = 4;

const DESCRIPTION = `Shows what senders with DANE see of each DOMAIN, and what they will do: its MX records,
whether they are signed,
the TLSA records of each server, and for every address of every server a TLS session, authenticated as for
mail.
No mail is sent. What is not as it should be is told with its rule and its remedy.`;

const EXAMPLES = `
Examples:
  $ danelaw check example.org
  example.org
    mx.example.org  secure MX, preference 10
      TLSA  secure  3 1 1 8d02536c887482bc...
      192.0.2.25  TLSv1.3 TLS_AES_256_GCM_SHA384, authenticated by TLSA 3 1 1 8d02536c887482bc...
                  (DANE-EE)

    Senders with DANE deliver to servers that DNSSEC names and DANE authenticates, and to no others.

  $ danelaw check --html example.html example.org

  $ danelaw check --json example.org example.net | jq '.domains[].status'
  "fine"
  "refused"

Exit codes: 0 every server of every domain takes mail: authenticated, or unproved where nothing is
              published
            69 senders with DANE refuse a server, or every sender the domain
            75 it can't be said now    64 usage
            78 unusable trust anchors, hints, roots or configuration`;

export function define(command: Command, io: Io, finish: (code: ExitCode) => void): void {
  command
    .description(prose(DESCRIPTION))
    .argument('<domain...>', 'domains as they stand behind the @ of an address')
    .addHelpText('after', EXAMPLES);
  addMailOptions(command, String(DEFAULT_TIMEOUT_SECONDS));
  addDnsOptions(command);
  addOutputOptions(command).option(
    '--html <file>',
    'write a page with the chain of trust and the servers as pictures',
  );
  command.action(async (domains: string[], options: CheckOptions) =>
    finish(await checkAll(domains, options, io)),
  );
}

interface CheckOptions extends MailOptions {
  readonly html?: string;
}

async function checkAll(texts: readonly string[], options: CheckOptions, io: Io): Promise<ExitCode> {
  const domains = texts.map(domainArgument);
  const context = {
    heloName: ehloName(options.helo),
    ...(await clientSettings(
      { timeout: DEFAULT_TIMEOUT_SECONDS * 1000, ...options },
      clockFrom(options.at),
      io.signal,
    )),
  };
  const paint = paletteFor(io.stdout, io.env);
  const checks: Check[] = [];
  const pages: CheckedDomain[] = [];
  await withResolver(options, context.clock, io, async (resolver) => {
    for (let start = 0; start < domains.length; start += CHECKED_AT_ONCE) {
      // What was seen so far is the verdict.
      if (io.readerGone?.aborted && options.html === undefined) break;
      const some = domains.slice(start, start + CHECKED_AT_ONCE);
      const done = await withProgress(io, `checking ${some.join(', ')} ...`, () =>
        Promise.all(some.map((domain) => checkDomain(domain, { resolver, ...context }))),
      );
      for (const each of done) {
        if (!options.json) {
          const between = checks.length === 0 ? '' : '\n';
          io.stdout.write(`${between}${describeCheck(each, paint, widthOf(io.stdout)).join('\n')}\n`);
        }
        checks.push(each);
        if (options.html === undefined) continue;
        pages.push({ check: each, lookups: await explained(each, resolver, io.signal) });
      }
    }
  });
  if (options.html !== undefined) {
    const { checkHtml } = await import('./check-html.js');
    await writeWhole(options.html, await checkHtml(pages, context.clock()));
  }
  if (options.json) io.stdout.write(`${printableJson({ domains: checks.map(checkJson) })}\n`);
  return worstOf(checks.map(({ status }) => SEVERITY[status]));
}

const SEVERITY = { fine: 'fine', unclear: 'temporary', refused: 'permanent' } as const;

function domainArgument(text: string): string {
  const parsed = parseMailDomain(text);
  if (!parsed.ok) throw new CommandError(EXIT.USAGE, `${text}: ${parsed.reason}`);
  return parsed.domain;
}
