/**
 * The folder of the demonstration: trust anchor and root hints of its Internet, the configuration of its relay -
 * which is as good for other commands - and the relay's queue.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Internet } from '@danelaw/lab';
import { parseStsPolicy, StsCache } from '@danelaw/smtp';
import { saveStsCache } from '../sts-file.js';
import { type LocalRuleSetting, localRules } from './demo-rules.js';

export interface LabFiles {
  readonly directory: string;
  readonly trustAnchor: string;
  readonly rootHints: string;
  /** The relay's, with the rules of its administrator that some scenarios are about; for `--config`. */
  readonly config: string;
  /** A message to send. */
  readonly message: string;
}

/** For each step of a server: those of the demonstration are near, and some of them never answer. */
const PATIENCE = '4s';
const STAGES = 'connect greeting ehlo starttls handshake auth mail rcpt data data_block data_end quit'.split(
  ' ',
);

/** @param level where no local rule of a scenario says another one */
export async function writeLabFiles(internet: Internet, level: 'dane' | 'dane-only'): Promise<LabFiles> {
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
  await writeFile(files.config, lines(await relayConfig(internet, files, level)));
  await writeFile(files.message, lines(['From: you@home.example', 'Subject: a first try', '', 'Hello!']));
  return files;
}

async function relayConfig(
  internet: Internet,
  { directory, trustAnchor }: LabFiles,
  level: 'dane' | 'dane-only',
): Promise<string[]> {
  const { resolver, smtpPort } = internet;
  const state = join(directory, 'state');
  await mkdir(state, { mode: 0o700 });
  return [
    'hostname = "relay.home.example"',
    `state = ${JSON.stringify(state)}`,
    '',
    // Any free ports: the log says which.
    '[[listen]]',
    'address = "127.0.0.1:0"',
    '',
    '[http]',
    'listen = "127.0.0.1:0"',
    '',
    '[queue]',
    'min_free = "1MiB"',
    '',
    '[delivery]',
    `level = "${level}"`,
    `port = ${smtpPort}`,
    // Each domain gets one message: there is nobody to wait for.
    'idle = "100ms"',
    'stop_within = "1s"',
    '',
    '[delivery.timeouts]',
    ...STAGES.map((stage) => `${stage} = "${PATIENCE}"`),
    '',
    '[dns]',
    `resolver = ["${resolver.address}#${resolver.port}"]`,
    `trust_anchor = ${JSON.stringify(trustAnchor)}`,
    '',
    ...(await stsConfig(internet, directory, state)),
    '',
    ...localRules(internet, level).flatMap(ruleLines),
  ];
}

/** The lab's public authority in the place of the Web's, and the policies that the relay had fetched before. */
async function stsConfig(
  { web, scenarios, clock }: Internet,
  directory: string,
  state: string,
): Promise<string[]> {
  if (web === null) return ['[sts]', 'enabled = false'];
  const roots = join(directory, 'web-roots.pem');
  await writeFile(roots, lines(web.roots));
  const cache = new StsCache();
  for (const { domain, sts } of scenarios) {
    if (sts?.known !== true) continue;
    const parsed = parseStsPolicy(sts.policy);
    if (parsed.status === 'invalid') throw new TypeError(`${domain}: ${parsed.reason}`);
    cache.set({ domain, id: sts.id, policy: parsed.policy, fetched: clock() }, clock());
  }
  await saveStsCache(join(state, 'mta-sts'), cache, clock());
  return ['[sts]', `port = ${web.port}`, `web_roots = ${JSON.stringify(roots)}`];
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
