/**
 * Files that the options of other commands name: trust anchor and root hints of the demonstration's Internet.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Internet } from '@danelaw/lab';
import { type LocalRuleSetting, localRules } from './demo-rules.js';

export interface LabFiles {
  readonly directory: string;
  readonly trustAnchor: string;
  readonly rootHints: string;
  /** The rules of the sender's administrator that some scenarios are about, for `--config`. */
  readonly config: string;
  /** A message to send. */
  readonly message: string;
}

export async function writeLabFiles(internet: Internet): Promise<LabFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'danelaw-'));
  const files = {
    directory,
    trustAnchor: join(directory, 'root.ds'),
    rootHints: join(directory, 'root.hints'),
    config: join(directory, 'danelaw.toml'),
    message: join(directory, 'message.eml'),
  };
  const hints = internet.rootHints.flatMap(({ name, address }) => [
    `. 3600 IN NS ${name}.`,
    `${name}. 3600 IN A ${address}`,
  ]);
  await writeFile(files.trustAnchor, lines(internet.trustAnchors));
  await writeFile(files.rootHints, lines(hints));
  await writeFile(files.config, lines(localRules(internet, 'dane').flatMap(ruleLines)));
  await writeFile(files.message, lines(['From: you@home.example', 'Subject: a first try', '', 'Hello!']));
  return files;
}

/** TOML: every value here is a text, a list of texts, or an audit. */
function ruleLines({ audit, ...rule }: LocalRuleSetting): string[] {
  const settings = Object.entries(rule).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  if (audit !== undefined) {
    const { reason, expires } = audit;
    settings.push(`audit = { reason = ${JSON.stringify(reason)}, expires = ${expires.toISOString()} }`);
  }
  return ['[[policy]]', ...settings, ''];
}

export async function removeLabFiles({ directory }: LabFiles): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

function lines(texts: readonly string[]): string {
  return `${texts.join('\n')}\n`;
}
