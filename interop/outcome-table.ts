/** docs/conformance-postfix.md, written from what was measured. */
import type { Scenario } from '@danelaw/lab';
import type { OutcomeWords } from './outcome-words.js';
import { DIFFERENCES, LEVELS, type Level } from './postfix-differences.js';

export interface Measured {
  readonly scenario: Scenario;
  readonly danelaw: Readonly<Record<Level, OutcomeWords>>;
  readonly postfix: Readonly<Record<Level, OutcomeWords>>;
}

export function renderTable(rows: readonly Measured[]): string {
  const same = rows.filter(({ danelaw, postfix }) =>
    LEVELS.every((level) => danelaw[level] === postfix[level]),
  );
  const others = rows.length - same.length;
  return `${HEAD}
${rows.length} scenarios. In ${same.length} of them both come to the same under both levels; the
others (${others}) are explained [below](#where-they-differ).

| ${COLUMNS.join(' | ')} |
|${COLUMNS.map(() => '---|').join('')}
${rows.map(rowOf).join('\n')}

## Where they differ
${DIFFERENCES.map(differenceText).join('')}`;
}

const COLUMNS = [
  'Scenario',
  'What it shows',
  'Rule',
  ...LEVELS.flatMap((level) => [`danelaw, \`${level}\``, `Postfix, \`${level}\``]),
];

const HEAD = `# danelaw and Postfix, on the same scenarios

Each scenario of the lab (\`packages/lab/src/scenarios/\`) is one domain that mail goes to, with the
zones and mail hosts around it: good ones, broken ones, attacked ones. Debian's Postfix 3.7, whose DANE
code an author of RFC 7672 wrote, and danelaw send a message to each of them, once under the level
\`dane\` and once under \`dane-only\`. Zones are served by the lab's name servers at port 53 of their own
addresses, mail hosts listen at port 25 of theirs. Postfix asks Debian's Unbound, which validates and
iterates from the lab's root; danelaw validates and iterates itself. \`npm run test:interop\` measures
all of it anew and compares it with this file; \`npm run test:interop -- -u\` writes the file.

What the words mean:

- **authenticated**: by TLSA records, at a host that secure MX records name. Postfix logs "Verified TLS
  connection".
- **host authenticated**: by TLSA records, at a host of insecure MX records: the host and not the domain.
  Postfix logs "Trusted".
- **TLS**: encrypted, and nobody's identity was proved. Postfix logs "Untrusted".
- **clear**: clear text; so says the server that took the message.
- **deferred**: not delivered, to be tried again. **failed**: the sender is told that it can't be
  delivered.
- **at** a host: another one than the first outcome's.

Local rules of scenarios stand in danelaw's policy table, and in Postfix in \`transport_maps\` and
\`smtp_tls_policy_maps\`. Otherwise Postfix has its defaults, but for short time-outs.
`;

function rowOf({ scenario, danelaw, postfix }: Measured): string {
  const { domain, shows, rule } = scenario;
  const usual = hostOf(danelaw.dane);
  const number = DIFFERENCES.findIndex((difference) => Object.hasOwn(difference.postfix, domain)) + 1;
  const cells = LEVELS.flatMap((level) => {
    const note = danelaw[level] === postfix[level] ? '' : ` [(${number})](#difference-${number})`;
    return [shortened(danelaw[level], usual), `${shortened(postfix[level], usual)}${note}`];
  });
  return `| \`${domain}\` | ${[shows.replaceAll('|', '\\|'), rule, ...cells].join(' | ')} |`;
}

const hostOf = (words: OutcomeWords): string | undefined => / at (.+)$/u.exec(words)?.[1];

function shortened(words: OutcomeWords, usual: string | undefined): string {
  return usual !== undefined && hostOf(words) === usual ? words.replace(` at ${usual}`, '') : words;
}

function differenceText(
  { title, postfix, section, quote, explanation }: (typeof DIFFERENCES)[number],
  index: number,
): string {
  const number = index + 1;
  const domains = Object.keys(postfix).map((domain) => `\`${domain}\``);
  return `
<a id="difference-${number}"></a>
**(${number}) ${title}** (${domains.join(', ')}). ${section}:

> ${quote}

${explanation}
`;
}
