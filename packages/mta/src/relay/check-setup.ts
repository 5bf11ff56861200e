/**
 * `danelaw serve --check`: what an administrator wants to know before the relay runs - and what others see of
 * this machine that may make them refuse its mail.
 */
import { X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createResolver, isAnswered, type Resolver } from '@danelaw/dns';
import { descriptorLimit, OTHER_DESCRIPTORS } from '../config/descriptors.js';
import type { RelayConfig } from '../config/relay-config.js';
import { type Config, ConfigError } from '../config.js';
import { listenerProblems } from '../listener/listener.js';
import { whyNotForRelay } from '../maildrop/folder.js';
import { wordsOf } from '../words-of.js';
import { checkFiles } from './check-files.js';
import { listenerSettings } from './listener-settings.js';
import { workerSettings } from './worker-settings.js';

export interface SetupFinding {
  /** `error`: the relay won't start, or won't work. */
  readonly level: 'error' | 'warning' | 'ok';
  readonly about: string;
  readonly words: string;
}

/** Milliseconds for all look-ups together. */
const LOOK_UP_TIME = 20_000;

/** @param file the configuration; undefined where there is none */
export async function checkSetup(
  config: Config,
  file: string | undefined,
  signal: AbortSignal,
): Promise<SetupFinding[]> {
  const findings: SetupFinding[] = [];
  const add = (level: SetupFinding['level'], about: string, words: string): void => {
    findings.push({ level, about, words });
  };
  await checkState(config, add);
  await checkMaildrop(config, add);
  checkClients(config, add);
  checkDescriptors(config.relay, add, descriptorLimit());
  await checkCertificate(config, add);
  await checkFiles(config, file, add);
  await checkNames(config, add, signal);
  return findings;
}

/** Takes a finding. */
export type Add = (level: SetupFinding['level'], about: string, words: string) => void;

async function checkState({ relay: { state } }: Config, add: Add): Promise<void> {
  const about = `state ${state}`;
  try {
    const found = await stat(state);
    await access(state, constants.R_OK | constants.W_OK | constants.X_OK);
    if (!found.isDirectory()) add('error', about, 'it is no folder');
    else if ((found.mode & 0o077) !== 0) {
      add(
        'warning',
        about,
        `others may look into it (mode ${(found.mode & 0o777).toString(8)}); chmod 0700 it`,
      );
    } else add('ok', about, 'is there, and nobody else may look into it');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      await checkParent(state, about, add);
    else add('error', about, `it can't be used: ${wordsOf(error)}`);
  }
}

async function checkParent(state: string, about: string, add: Add): Promise<void> {
  try {
    await access(dirname(state), constants.W_OK | constants.X_OK);
    add('ok', about, 'is not there yet, and will be made');
  } catch {
    add(
      'error',
      about,
      `it is not there, and can't be made in ${dirname(state)}; make it for the relay's user`,
    );
  }
}

async function checkMaildrop({ relay: { maildrop } }: Config, add: Add): Promise<void> {
  const { folder, named } = maildrop;
  if (folder === undefined) return;
  const about = `maildrop ${folder}`;
  const why = await whyNotForRelay(folder, process.getuid?.() ?? 0);
  if (why === undefined) add('ok', about, 'takes mail of "danelaw sendmail" while the relay is down');
  else if (why !== 'absent') add('warning', about, `nothing is taken from it: ${why}`);
  else if (!named) add('ok', about, 'is not there: "danelaw sendmail" fails for now while the relay is down');
  else await checkParent(folder, about, add);
}

function checkClients({ relay }: Config, add: Add): void {
  const settings = listenerSettings(relay);
  for (const problem of listenerProblems(settings)) add('error', 'clients', problem);
  if (relay.clients.openRelay) {
    add('warning', 'clients', 'i_want_an_open_relay = true: everybody may send mail to anywhere through it');
  }
  if (relay.users.size > 0 && relay.tls === undefined) {
    add(
      'warning',
      'users',
      'nobody can log in: AUTH is offered under TLS only, and there is no [tls] certificate',
    );
  }
}

export function checkDescriptors(
  { clients, delivery }: RelayConfig,
  add: Add,
  descriptors: number | undefined,
): void {
  const wanted = clients.connections + delivery.connections + OTHER_DESCRIPTORS;
  if (descriptors === undefined || wanted <= descriptors) return;
  const each = `${clients.connections} connections in and ${delivery.connections} out`;
  const words = `${each} want ${wanted} file descriptors, and the limit is ${descriptors}; raise it (LimitNOFILE)`;
  add('warning', 'connections', words);
}

async function checkCertificate({ relay: { tls, listen } }: Config, add: Add): Promise<void> {
  if (tls === undefined) {
    if (listen.some((each) => each.tls === 'implicit')) {
      add('error', 'listen', 'tls = "implicit" needs a [tls] certificate and key');
    }
    return;
  }
  const about = `certificate ${tls.certificate}`;
  try {
    const certificate = new X509Certificate(await readFile(tls.certificate));
    const left = Date.parse(certificate.validTo) - Date.now();
    if (left <= 0) add('error', about, `it has expired on ${certificate.validTo}`);
    else if (left < WARN_BEFORE) add('warning', about, `it expires on ${certificate.validTo}`);
    else add('ok', about, `is valid until ${certificate.validTo}`);
  } catch {
    // Whether the pair can be used is said with the other files.
  }
}

/** Milliseconds: two weeks, within which a renewal should have happened. */
const WARN_BEFORE = 14 * 86_400_000;

/** Many servers refuse a client whose name, address and reverse name don't fit together. */
async function checkNames(config: Config, add: Add, signal: AbortSignal): Promise<void> {
  const { hostname } = config.relay;
  if (!hostname.includes('.')) {
    add('warning', `hostname ${hostname}`, 'it is no full name, which many servers refuse; set "hostname"');
  }
  let resolver: Resolver | undefined;
  const notices: string[] = [];
  try {
    const settings = await workerSettings(config);
    resolver = createResolver({ ...settings.resolver, onNotice: ({ text }) => notices.push(text) });
    const stop = AbortSignal.any([signal, AbortSignal.timeout(LOOK_UP_TIME)]);
    await checkForwardAndReverse(resolver, hostname, add, stop);
  } catch (error) {
    if (signal.aborted) throw error;
    const late = error instanceof Error && error.name === 'TimeoutError';
    const isConfig = error instanceof ConfigError || error instanceof TypeError;
    if (late) add('warning', 'dns', `no answer within ${LOOK_UP_TIME / 1000} s`);
    else if (isConfig) add('error', 'dns', wordsOf(error));
    else throw error;
  } finally {
    for (const words of notices) add('warning', 'dns', words);
    await resolver?.close();
  }
}

async function checkForwardAndReverse(
  resolver: Resolver,
  hostname: string,
  add: Add,
  signal: AbortSignal,
): Promise<void> {
  const root = await resolver.resolve('.', 'NS', { signal });
  if (root.status === 'secure') add('ok', 'dns', 'answers can be validated (DNSSEC)');
  else if (isAnswered(root)) add('warning', 'dns', 'the root is not secure: nothing can be validated');
  else add('error', 'dns', `nothing can be validated, so all mail would wait: ${root.reason}`);
  const addresses = new Set<string>();
  for (const type of ['A', 'AAAA'] as const) {
    const found = await resolver.resolve(hostname, type, { signal });
    if (!isAnswered(found)) {
      add('warning', `hostname ${hostname}`, `its ${type} look-up failed: ${found.reason}`);
      continue;
    }
    for (const { data } of found.records) if (data.type === type) addresses.add(data.address);
  }
  if (addresses.size === 0) {
    add(
      'warning',
      `hostname ${hostname}`,
      'it has no address in DNS; many servers refuse such a name in EHLO',
    );
    return;
  }
  for (const address of addresses) {
    const reverse = await resolver.resolve(reverseName(address), 'PTR', { signal });
    if (!isAnswered(reverse)) {
      add('warning', address, `its PTR look-up failed: ${reverse.reason}`);
      continue;
    }
    const names = reverse.records.flatMap(({ data }) =>
      data.type === 'PTR' ? [data.target.toString().replace(/\.$/u, '').toLowerCase()] : [],
    );
    if (names.includes(hostname)) add('ok', address, `leads back to ${hostname}`);
    else {
      const words =
        names.length === 0 ? 'it has no reverse name (PTR)' : `its reverse name is ${names.join(', ')}`;
      add('warning', address, `${words}; it should be ${hostname}`);
    }
  }
}

/** `1.2.0.192.in-addr.arpa`, or the nibbles of RFC 3596 section 2.5. */
export function reverseName(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => '0');
  const digits = [...front, ...zeros, ...back].map((group) => group.padStart(4, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
