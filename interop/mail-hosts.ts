/**
 * The receiving side: Postfix and Exim, each with addresses that authenticate themselves in different ways.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../packages/mta/test/free-port.js';
import { issuedLeaf, type ServerCertificate, selfSignedLeaf } from './certificates.js';
import { startExim } from './exim.js';
import { makeFolder, removeFolder } from './folder.js';
import type { MailServer } from './mail-server.js';
import { startPostfix } from './postfix.js';

/** Where each habit is found. One port serves all, as the TLSA owner name and `--smtp-port` have one. */
export const addresses = {
  /** Self-signed, expired, nameless; another certificate for those who ask for `names.sni` by SNI. */
  postfixEe: '127.0.0.2',
  /** Leaf and private root. */
  postfixTa: '127.0.0.3',
  /** No STARTTLS. */
  postfixClear: '127.0.0.4',
  eximEe: '127.0.0.5',
  eximTa: '127.0.0.6',
} as const;

/** The names in the issued certificates. */
export const names = {
  postfixTa: 'mx.postfix-ta.bind',
  eximTa: 'mx.exim-ta.ldns',
  sni: 'mx.sni.bind',
} as const;

export interface MailHosts {
  readonly port: number;
  readonly certificates: Readonly<
    Record<'postfixEe' | 'postfixTa' | 'eximEe' | 'eximTa' | 'sni', ServerCertificate>
  >;
  readonly postfix: MailServer;
  readonly exim: MailServer;
  stop(): Promise<void>;
}

export async function startMailHosts(): Promise<MailHosts> {
  const folder = await makeFolder('mail');
  const started: MailServer[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await removeFolder(folder);
  };
  const start = async (label: string, server: (folder: string) => Promise<MailServer>) => {
    const own = join(folder, label);
    await mkdir(own);
    const running = await server(own);
    started.push(running);
    return running;
  };
  try {
    const port = await freePort();
    const certificates = await makeCertificates(folder);
    const { postfixEe, postfixTa, eximEe, eximTa, sni } = certificates;
    const postfix = await start('postfix', (own) =>
      startPostfix({
        port,
        folder: own,
        listeners: [
          { address: addresses.postfixEe, certificate: postfixEe, byName: { [names.sni]: sni } },
          { address: addresses.postfixTa, certificate: postfixTa },
          { address: addresses.postfixClear },
        ],
      }),
    );
    const exim = await start('exim', (own) =>
      startExim({
        port,
        folder: own,
        listeners: [
          { address: addresses.eximEe, certificate: eximEe },
          { address: addresses.eximTa, certificate: eximTa },
        ],
      }),
    );
    return { port, certificates, postfix, exim, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeCertificates(folder: string): Promise<MailHosts['certificates']> {
  return {
    postfixEe: await selfSignedLeaf('postfix-ee', folder),
    postfixTa: await issuedLeaf('postfix-ta', names.postfixTa, folder),
    eximEe: await selfSignedLeaf('exim-ee', folder),
    eximTa: await issuedLeaf('exim-ta', names.eximTa, folder),
    sni: await issuedLeaf('sni', names.sni, folder),
  };
}
