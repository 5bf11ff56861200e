/** What became of a deployment, in words and in JSON: what happened, why, and what is to be done now. */
import { formatTlsa, type TlsaRecord } from '@danelaw/dane';
import { howToKeepKey } from '../tlsa/acme-client.js';
import { type DeployDecision, endOf } from '../tlsa/deploy.js';
import { zoneLine } from '../tlsa/record-text.js';
import { EXIT, type ExitCode } from './exit.js';
import { printable, printableJson } from './printable.js';
import { hanging, type Io, widthOf } from './terminal.js';
import type { DeployOptions } from './tlsa-deploy-options.js';

export interface Deployment {
  readonly host: string;
  readonly folder: string;
  /**
   * `deployed`: the server shows it. `installed`: it is in the folder, and nobody was to be told. `unfinished`: it is in the folder,
   * and the server does not show it. `unchanged`: the server had it before. `nothing`: nothing waits.
   */
  readonly status: 'deployed' | 'installed' | 'unfinished' | 'unchanged' | 'nothing' | 'waiting' | 'dry-run';
  readonly decision?: DeployDecision;
  /** Why the server could not be told, or does not show it. */
  readonly trouble?: string | undefined;
  /** Owner of the records. */
  readonly owner?: string;
  readonly wanted?: readonly TlsaRecord[];
  readonly unmatched?: readonly string[];
  readonly sameKey?: boolean | null;
  /** In DER: what the server had before. */
  readonly installed?: Uint8Array | undefined;
}

export function reportDeployment(deployment: Deployment, options: DeployOptions, io: Io): ExitCode {
  const isQuiet = deployment.status === 'nothing' && io.stdout.isTTY !== true;
  if (options.json === true) {
    io.stdout.write(`${printableJson(deploymentJson(deployment))}\n`);
  } else if (!isQuiet) {
    // Cron makes a mail of each word.
    const lines = wordsOf(deployment, options).flatMap(([label, text]) =>
      // To be copied: in one piece, however long.
      text.includes(' IN TLSA ') ? [`${label}${text}`] : hanging(label, printable(text), widthOf(io.stdout)),
    );
    io.stdout.write(`${lines.join('\n')}\n`);
  }
  switch (deployment.status) {
    case 'deployed':
    case 'installed':
    case 'unchanged':
    case 'nothing':
      return EXIT.OK;
    case 'unfinished':
    case 'waiting':
      return EXIT.TEMPORARY;
    case 'dry-run':
      return deployment.decision?.action === 'deploy' ? EXIT.OK : EXIT.TEMPORARY;
    default: {
      const never: never = deployment.status;
      return never;
    }
  }
}

type Line = [label: string, text: string];

function wordsOf(deployment: Deployment, options: DeployOptions): Line[] {
  const { host, folder, status, trouble } = deployment;
  const first = (text: string): Line => [`${host}: `, text];
  switch (status) {
    case 'nothing':
      return [first(`nothing waits in ${folder}`)];
    case 'unchanged':
      return [first('the server has this certificate already')];
    case 'unfinished':
      return [
        first('installed, but the server does not show it yet'),
        ['  ', trouble ?? ''],
        [
          '  ',
          `See that it reads ${folder}/current, and run this again: it is reloaded again, and asked again.`,
        ],
        ['  ', 'Where it can never be asked from here, give --no-server.'],
      ];
    case 'deployed':
      return [
        first(options.server === false ? 'deployed' : 'deployed, and the server shows it'),
        ...reasons(deployment),
      ];
    case 'installed':
      return [
        first(`installed in ${folder}/current`),
        ...reasons(deployment),
        ['  ', 'There was no --reload: have the server read it, and look with "danelaw tlsa verify".'],
      ];
    case 'waiting':
    case 'dry-run': {
      if (deployment.decision?.action === 'deploy')
        return [first('it would be deployed'), ...reasons(deployment)];
      const what = status === 'waiting' ? 'not deployed' : 'it would not be deployed';
      const why = deployment.decision === undefined ? '' : `: ${deployment.decision.reason}`;
      return [first(`${what}${why}`), ...waitingWords(deployment, options)];
    }
    default: {
      const never: never = status;
      return never;
    }
  }
}

function reasons({ decision, unmatched = [] }: Deployment): Line[] {
  if (decision?.action !== 'deploy') return [];
  const others: Line[] =
    unmatched.length === 0
      ? []
      : [
          [
            '  ',
            `It matches no record with ${unmatched.join(', ')}, which is published too: publish one for it, or remove ` +
              'those records (RFC 7671 section 8).',
          ],
        ];
  return [['  ', becauseOf(decision)], ...others];
}

function becauseOf({ because }: Extract<DeployDecision, { action: 'deploy' }>): string {
  switch (because) {
    case 'key-kept':
      return 'The key is the one in use, and its record is published.';
    case 'same-record':
      return 'It matches a record that the certificate in use matches, too.';
    case 'published':
      return 'Every name server has had a record for it for twice the TTL (RFC 7671 section 8.1).';
    case 'no-records':
      return 'There are no TLSA records that senders could match it against; make some with "danelaw tlsa create".';
    default: {
      const never: never = because;
      return never;
    }
  }
}

function waitingWords(deployment: Deployment, { client }: DeployOptions): Line[] {
  const { host, decision, owner = '', wanted = [], sameKey, installed, folder, trouble, status } = deployment;
  const lines: Line[] = [];
  if (decision?.action === 'wait' && decision.until !== null) {
    lines.push(['  ', `Not before ${new Date(decision.until).toISOString()}.`]);
  }
  if (status === 'waiting') {
    const end = endOf(installed);
    const until = end === null ? '' : ` (until ${new Date(end).toISOString().slice(0, 10)})`;
    const old = installed === undefined ? '' : `The server keeps its certificate${until}. `;
    lines.push(['  ', `${old}The new one waits in ${folder}/waiting.`]);
  }
  if (decision?.action === 'publish') {
    lines.push(['  ', 'Publish this, beside what is there:']);
    lines.push(...wanted.map((record): Line => ['  ', zoneLine({ name: owner }, record)]));
    if (sameKey === false) {
      const how = client === undefined ? 'most programs can be told to keep it' : howToKeepKey(client);
      lines.push(['  ', `The key is a new one; with the old one there was nothing to wait for: ${how}.`]);
    }
    const again = `danelaw tlsa deploy ${host} --to ${folder}`;
    lines.push([
      '  ',
      `"${again}" (with the same options, from cron) deploys it when every name server has had that for twice the TTL ` +
        '(RFC 7671 section 8.1).',
    ]);
  }
  if (trouble !== undefined) lines.push(['  ', `What was installed before is not shown yet: ${trouble}`]);
  return lines;
}

function deploymentJson({
  host,
  folder,
  status,
  decision,
  trouble,
  ...rest
}: Deployment): Record<string, unknown> {
  const until = decision?.action === 'wait' ? decision.until : null;
  const reason = decision?.action === 'deploy' ? decision.because : decision?.reason;
  return {
    host,
    folder,
    status,
    decision: decision?.action ?? null,
    reason: trouble ?? reason ?? null,
    until: until === null ? null : new Date(until).toISOString(),
    keyKept: rest.sameKey ?? null,
    name: rest.owner ?? null,
    publish: decision?.action === 'publish' ? (rest.wanted ?? []).map(formatTlsa) : [],
    unmatchedCombinations: rest.unmatched ?? [],
  };
}
