/**
 * Keys and certificates as administrators make them, with the `openssl` command, and the TLSA data for them.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programs } from './neighbours.js';
import { runOk } from './run.js';

export interface ServerCertificate {
  readonly keyFile: string;
  /** The leaf and the certificates above it, in this order. */
  readonly chainFile: string;
  /** Key and chain in one file, as Postfix reads them. */
  readonly keyAndChainFile: string;
  /** RDATA of `3 1 1`: the leaf's public key. */
  readonly daneEe: string;
  /** RDATA of `2 1 1`: the public key of the topmost certificate that the server sends. */
  readonly daneTa: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A leaf that nobody vouches for, that has expired and names nobody: DANE-EE(3) asks for none of these. */
export async function selfSignedLeaf(label: string, folder: string): Promise<ServerCertificate> {
  const file = (suffix: string) => join(folder, `${label}${suffix}`);
  const subject = ['-subj', `/O=${label}`];
  await openssl(['req', '-new', ...newKey, ...subject, '-keyout', file('.key'), '-out', file('.csr')]);
  await openssl([
    ...['x509', '-req', '-in', file('.csr'), '-signkey', file('.key'), '-days', '-1', '-out', file('.crt')],
  ]);
  return serverCertificate(file('.key'), [file('.crt')]);
}

/** A leaf for `name`, issued by a private root that the server sends along. */
export async function issuedLeaf(label: string, name: string, folder: string): Promise<ServerCertificate> {
  const file = (suffix: string) => join(folder, `${label}${suffix}`);
  const authority = ['-subj', `/O=${label} CA`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  await openssl([
    'req',
    '-x509',
    ...newKey,
    ...authority,
    '-keyout',
    file('.ca.key'),
    '-out',
    file('.ca.crt'),
  ]);
  await openssl([
    'req',
    '-new',
    ...newKey,
    '-subj',
    `/O=${label}`,
    '-keyout',
    file('.key'),
    '-out',
    file('.csr'),
  ]);
  await writeFile(file('.ext'), `basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:${name}\n`);
  await openssl([
    ...[
      'x509',
      '-req',
      '-in',
      file('.csr'),
      '-CA',
      file('.ca.crt'),
      '-CAkey',
      file('.ca.key'),
      '-CAcreateserial',
    ],
    ...['-days', '30', '-extfile', file('.ext'), '-out', file('.crt')],
  ]);
  return serverCertificate(file('.key'), [file('.crt'), file('.ca.crt')]);
}

async function serverCertificate(
  keyFile: string,
  certificates: readonly string[],
): Promise<ServerCertificate> {
  const chain = await Promise.all(certificates.map((file) => readFile(file, 'utf8')));
  const chainFile = `${keyFile}.chain`;
  const keyAndChainFile = `${keyFile}.all`;
  await writeFile(chainFile, chain.join(''));
  await writeFile(keyAndChainFile, (await readFile(keyFile, 'utf8')) + chain.join(''));
  // Exim reads its key as the user it runs as. These keys live as long as the test.
  await chmod(keyFile, 0o644);
  const digests = chain.map(publicKeyDigest);
  return {
    keyFile,
    chainFile,
    keyAndChainFile,
    daneEe: `3 1 1 ${digests.at(0)}`,
    daneTa: `2 1 1 ${digests.at(-1)}`,
  };
}

/** SHA2-256 of the SubjectPublicKeyInfo: selector 1, matching type 1. */
function publicKeyDigest(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('hex');
}

async function openssl(args: readonly string[]): Promise<void> {
  await runOk(programs.openssl, args);
}
