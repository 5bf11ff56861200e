/**
 * Debian's programs that get certificates, each with its files in a folder of its own and our hook in it as its users have it
 * there; and acme.sh's hook, called as acme.sh calls it.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acmePrograms } from './neighbours.js';
import type { Pebble } from './pebble.js';
import { type Finished, run, runOk } from './run.js';

export const HOOKS = fileURLToPath(new URL('../packaging/hooks', import.meta.url));

export interface AcmeClient {
  /** The first certificate of the host. */
  issue(): Promise<Finished>;
  /** Another certificate, however long the one that there is still holds. */
  renew(key: 'kept' | 'new'): Promise<Finished>;
  /** What brings back to mind a certificate that waits: the client's next run, or cron. */
  again(): Promise<Finished>;
  /** What the client has: certificate and chain. */
  readonly chainFile: string;
}

export interface ClientSurroundings {
  readonly host: string;
  /** Empty. */
  readonly folder: string;
  readonly pebble: Pebble;
  /** `DANELAW_DEPLOY`: the folder of configurations. */
  readonly configurations: string;
}

type Run = (program: string, ...args: readonly string[]) => Promise<Finished>;

/** All of these find Pebble's certificate, each by the variable that it knows. */
function runnerFor({ pebble, configurations }: ClientSurroundings): Run {
  const variables = ['REQUESTS_CA_BUNDLE', 'LEGO_CA_CERTIFICATES', 'CURL_CA_BUNDLE'].map(
    (name) => `${name}=${pebble.trustFile}`,
  );
  return (program, ...args) =>
    run('/usr/bin/env', [...variables, `DANELAW_DEPLOY=${configurations}`, program, ...args]);
}

export function certbot(surroundings: ClientSurroundings): AcmeClient {
  const { host, folder, pebble } = surroundings;
  const start = runnerFor(surroundings);
  const at = (name: string): string => join(folder, name);
  const always = [
    ...['--config-dir', at('etc'), '--work-dir', at('work'), '--logs-dir', at('log'), '--non-interactive'],
    ...['--server', pebble.directory, '--agree-tos', '--register-unsafely-without-email'],
  ];
  const hook = ['--deploy-hook', join(HOOKS, 'certbot')];
  return {
    chainFile: at(`etc/live/${host}/fullchain.pem`),
    issue: () =>
      start(acmePrograms.certbot, 'certonly', ...always, '--webroot', '-w', folder, '-d', host, ...hook),
    renew: (key) => {
      const how = key === 'kept' ? ['--reuse-key'] : ['--no-reuse-key'];
      return start(
        acmePrograms.certbot,
        'renew',
        ...always,
        '--force-renewal',
        '--no-random-sleep-on-renew',
        ...how,
      );
    },
    again: () => start(join(HOOKS, 'retry')),
  };
}

export function lego(surroundings: ClientSurroundings, hook = join(HOOKS, 'lego')): AcmeClient {
  const { host, folder, pebble } = surroundings;
  const start = runnerFor(surroundings);
  const always = [
    ...['--path', folder, '--server', pebble.directory, '--accept-tos', '--email', `postmaster@${host}`],
    ...['--domains', host, '--http', '--http.webroot', folder],
  ];
  return {
    chainFile: join(folder, `certificates/${host}.crt`),
    issue: () => start(acmePrograms.lego, ...always, 'run', '--run-hook', hook),
    renew: (key) => {
      const how = key === 'kept' ? ['--reuse-key'] : [];
      const now = ['--days', '99999', '--no-random-sleep'];
      return start(acmePrograms.lego, ...always, 'renew', ...now, ...how, '--renew-hook', hook);
    },
    again: () => start(join(HOOKS, 'retry')),
  };
}

export function dehydrated(surroundings: ClientSurroundings): AcmeClient {
  const { host, folder, pebble } = surroundings;
  const start = runnerFor(surroundings);
  const configuration = join(folder, 'config');
  const programsFirst = join(folder, 'bin');
  const cron = async (renewKey: 'yes' | 'no', ...more: readonly string[]): Promise<Finished> => {
    await mkdir(join(folder, 'wellknown'), { recursive: true });
    // It looks once a second, or every other second, whether the authority is done; Pebble is at once.
    await mkdir(programsFirst, { recursive: true });
    await writeFile(join(programsFirst, 'sleep'), '#!/bin/sh\nexec /bin/sleep 0.1\n', { mode: 0o755 });
    const path = `PATH=${programsFirst}:${process.env['PATH'] ?? ''}`;
    await writeFile(
      configuration,
      `CA="${pebble.directory}"\nBASEDIR="${folder}"\nWELLKNOWN="${folder}/wellknown"\nKEY_ALGO=prime256v1\n` +
        `PRIVATE_KEY_RENEW="${renewKey}"\nHOOK="${HOOKS}/dehydrated"\n`,
    );
    return await start(
      '/usr/bin/env',
      path,
      acmePrograms.dehydrated,
      '--config',
      configuration,
      '--domain',
      host,
      '--cron',
      ...more,
    );
  };
  return {
    chainFile: join(folder, `certs/${host}/fullchain.pem`),
    issue: async () => {
      // The account's key, which is RSA: one of 4096 bits takes seconds to be made, and proves nothing here.
      const account = 'KEYSIZE=2048';
      await writeFile(configuration, `CA="${pebble.directory}"\nBASEDIR="${folder}"\n${account}\n`);
      const registered = await start(
        acmePrograms.dehydrated,
        ...['--config', configuration, '--register', '--accept-terms'],
      );
      return registered.code === 0 ? await cron('no') : registered;
    },
    renew: (key) => cron(key === 'kept' ? 'no' : 'yes', '--force'),
    again: () => cron('no'),
  };
}

/** What acme.sh's `_deploy` does: reads the file in a subshell, and calls its function with the domain and the files. */
const AS_ACME_SH = `
_debug() { :; }
_info() { printf '%s\\n' "$*"; }
_err() { printf '%s\\n' "$*" >&2; }
_savedeployconf() { printf "%s='%s'\\n" "SAVED_$1" "$2" >>"$folder/domain.conf"; }
_getdeployconf() {
  eval "[ -z \\"\\\${$1-}\\" ]" || return 0
  [ ! -e "$folder/domain.conf" ] || . "$folder/domain.conf"
  eval "export $1=\\"\\\${SAVED_$1-}\\""
}
folder=$1 domain=$2
if ! (
  if ! . "$folder/deploy/danelaw.sh"; then return 1; fi
  if ! danelaw_deploy "$domain" "$folder/$domain.key" "$folder/$domain.cer" "$folder/ca.cer" "$folder/fullchain.cer" \\
    "$folder/$domain.pfx"; then
    _err "Error deploying for domain: $domain"
    exit 1
  fi
); then
  _err 'Error encountered while deploying.'
  exit 1
fi
_info Success
`;

/** acme.sh is in no archive of Debian: lego gets the certificates, and they are put where acme.sh has them. */
export function acmeSh(surroundings: ClientSurroundings): AcmeClient {
  const { host, folder } = surroundings;
  const start = runnerFor(surroundings);
  const got = join(folder, 'certificates');
  const byLego = lego(surroundings, '/bin/true');
  const call = async (...variables: readonly string[]): Promise<Finished> =>
    await start('/usr/bin/env', ...variables, '/bin/sh', '-c', AS_ACME_SH, 'acme.sh', folder, host);
  const place = async (finished: Finished): Promise<Finished> => {
    if (finished.code !== 0) return finished;
    await copyFile(join(got, `${host}.key`), join(folder, `${host}.key`));
    await copyFile(join(got, `${host}.crt`), join(folder, 'fullchain.cer'));
    await copyFile(join(got, `${host}.issuer.crt`), join(folder, 'ca.cer'));
    const leaf = await runOk(acmePrograms.openssl, ['x509', '-in', join(got, `${host}.crt`)]);
    await writeFile(join(folder, `${host}.cer`), leaf);
    return finished;
  };
  return {
    chainFile: join(folder, 'fullchain.cer'),
    issue: async () => {
      const finished = await place(await byLego.issue());
      if (finished.code !== 0) return finished;
      await mkdir(join(folder, 'deploy'));
      await copyFile(join(HOOKS, 'danelaw.sh'), join(folder, 'deploy/danelaw.sh'));
      return await call(`DANELAW_HOOKS=${HOOKS}`);
    },
    renew: async (key) => {
      const finished = await place(await byLego.renew(key));
      // Where the hooks are was told at first, and noted.
      return finished.code === 0 ? await call() : finished;
    },
    again: () => call(),
  };
}
