/** The manual page danelaw(8), out of what the program says of itself (`--help`), so that it is never about another version. */
import { main } from '../packages/mta/bundle/cli/main.js';

const COMMANDS = [
  'serve',
  'queue',
  'sendmail',
  'user',
  'dkim',
  'check',
  'send',
  'resolve',
  'policy',
  'policy-server',
  'tlsrpt',
  'demo',
];

/**
 * @param {string} version
 * @param {Date} date
 */
export async function manualPage(version, date) {
  const parts = [
    `.TH DANELAW 8 ${date.toISOString().slice(0, 10)} "danelaw ${version}" "System Administration"`,
    '.SH NAME',
    'danelaw \\- mail relay that delivers under DANE and MTA-STS',
    '.SH SYNOPSIS',
    '.B danelaw',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    ...verbatim(await help([])),
  ];
  for (const command of COMMANDS) {
    parts.push(`.SH DANELAW ${command.toUpperCase()}`, ...verbatim(await help([command])));
  }
  parts.push(
    '.SH FILES',
    '.TP',
    '/etc/danelaw/danelaw.toml',
    'The configuration.',
    '.TP',
    '/var/lib/danelaw',
    'The queue, and whatever else outlives a restart.',
    '.TP',
    '/var/spool/danelaw/maildrop',
    'Where danelaw sendmail leaves mail while the relay does not run.',
    '.TP',
    '/usr/share/doc/danelaw',
    'How all of it works.',
    '',
  );
  return parts.join('\n');
}

async function help(command) {
  let text = '';
  const code = await main([...command, '--help'], {
    stdout: { write: (part) => (text += part), columns: 78 },
    stderr: { write: (part) => (text += part) },
    stdin: [],
    env: {},
    signal: new AbortController().signal,
  });
  if (code !== 0) throw new Error(`danelaw ${command.join(' ')} --help ended with ${code}: ${text}`);
  return text;
}

/** A line may not begin with a dot or a quote, and a backslash is one. */
function verbatim(text) {
  const lines = text.trimEnd().split('\n');
  return ['.nf', ...lines.map((line) => `\\&${line.replaceAll('\\', '\\e').replaceAll('-', '\\-')}`), '.fi'];
}
