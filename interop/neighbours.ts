/**
 * What has to be installed for these tests, and what happens where it is not.
 *
 * A test that silently does not run proves nothing. So in CI a missing neighbour is a failure that says what
 * is missing; elsewhere the tests are reported as skipped, with the reason in their title.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { describe, test } from 'vitest';

/** The programs, by the name that messages use. */
export const programs = {
  nsd: '/usr/sbin/nsd',
  unbound: '/usr/sbin/unbound',
  dig: '/usr/bin/dig',
  openssl: '/usr/bin/openssl',
  ldnsKeygen: '/usr/bin/ldns-keygen',
  ldnsSignzone: '/usr/bin/ldns-signzone',
  ldnsKeyToDs: '/usr/bin/ldns-key2ds',
  dnssecKeygen: '/usr/bin/dnssec-keygen',
  dnssecSignzone: '/usr/bin/dnssec-signzone',
  dnssecDsFromKey: '/usr/bin/dnssec-dsfromkey',
  postfix: '/usr/sbin/postfix',
  postfixMaster: '/usr/lib/postfix/sbin/master',
  postmap: '/usr/sbin/postmap',
  sendmail: '/usr/sbin/sendmail',
  // Debian installs one mail server only, so install.sh unpacks Exim beside Postfix.
  exim: existsSync('/usr/sbin/exim4')
    ? '/usr/sbin/exim4'
    : '/usr/local/lib/danelaw-interop/exim4/usr/sbin/exim4',
} as const;

/** What the differential test (`differential/`) needs besides: DNS only, and no root. */
export const dnsPrograms = {
  nsd: programs.nsd,
  unbound: programs.unbound,
  named: '/usr/sbin/named',
  knotd: '/usr/sbin/knotd',
  pdnsServer: '/usr/sbin/pdns_server',
  pdnsutil: '/usr/bin/pdnsutil',
  ldnsSignzone: programs.ldnsSignzone,
  dnssecKeygen: programs.dnssecKeygen,
  dnssecSignzone: programs.dnssecSignzone,
  dnssecDsFromKey: programs.dnssecDsFromKey,
  kzonesign: '/usr/bin/kzonesign',
} as const;

/** What the tests in networks of our own need (`ways-out.test.ts`). */
export const networkPrograms = {
  nsd: programs.nsd,
  unbound: programs.unbound,
  pdnsRecursor: '/usr/sbin/pdns_recursor',
  dig: programs.dig,
  openssl: programs.openssl,
  ldnsKeygen: programs.ldnsKeygen,
  ldnsSignzone: programs.ldnsSignzone,
  ldnsKeyToDs: programs.ldnsKeyToDs,
  ip: '/usr/sbin/ip',
  nft: '/usr/sbin/nft',
  sysctl: '/usr/sbin/sysctl',
} as const;

/** Name servers whose signed zones are changed by updates (`tlsa-update.test.ts`). */
export const updatePrograms = {
  named: dnsPrograms.named,
  tsigKeygen: '/usr/sbin/tsig-keygen',
  knotd: dnsPrograms.knotd,
  keymgr: '/usr/sbin/keymgr',
  dig: programs.dig,
  dnssecDsFromKey: programs.dnssecDsFromKey,
} as const;

/** The same, with mail that flows meanwhile (`tlsa-rollover.test.ts`). */
export const rolloverPrograms = { ...programs, ...updatePrograms } as const;

/** Programs that get certificates, and an authority that gives them some (`deploy-hooks.test.ts`). */
export const acmePrograms = {
  openssl: programs.openssl,
  postfix: programs.postfix,
  postfixMaster: programs.postfixMaster,
  pebble: '/usr/bin/pebble',
  certbot: '/usr/bin/certbot',
  lego: '/usr/bin/lego',
  dehydrated: '/usr/bin/dehydrated',
} as const;

type Needed = Readonly<Record<string, string>>;

/** Why the tests can't run here; undefined where they can. */
export function obstacle(needed: Needed = programs): string | undefined {
  const missing = Object.values(needed).filter((program) => !isExecutable(program));
  if (missing.length > 0) {
    return `not installed: ${missing.join(', ')} (run interop/install.sh as root on Debian 12)`;
  }
  // Postfix and Exim change to users of their own, which only root can.
  const startsMailServers: readonly Needed[] = [programs, rolloverPrograms, acmePrograms];
  if (startsMailServers.includes(needed) && process.getuid?.() !== 0)
    return 'not root: Postfix and Exim can only be started by root';
  if (needed === networkPrograms && process.getuid?.() !== 0)
    return 'not root: network namespaces can only be made by root';
  return undefined;
}

/**
 * A group of tests that needs Debian's servers: run where they are, failed in CI, skipped with the reason
 * elsewhere.
 */
export function withNeighbours(title: string, tests: () => void, needed: Needed = programs): void {
  const reason = obstacle(needed);
  if (reason === undefined) {
    describe(title, tests);
  } else if (isCi()) {
    test(title, () => {
      throw new Error(`these tests can't run: ${reason}`);
    });
  } else {
    console.warn(`\n*** SKIPPED: ${title}: ${reason} ***\n`);
    describe.skip(`${title} (SKIPPED: ${reason})`, tests);
  }
}

function isCi(): boolean {
  return !['', '0', 'false', undefined].includes(process.env['CI']);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
