/** OpenSSL's own DANE verifier, as the second opinion: does this server match these TLSA records? */
import { answers } from './dig.js';
import { programs } from './neighbours.js';
import { run } from './run.js';

export interface DaneServer {
  /** Port of the resolver on 127.0.0.1. */
  readonly resolver: number;
  readonly baseDomain: string;
  readonly smtpPort: number;
}

/**
 * Looks up the server's address and TLSA records, does STARTTLS, and says whether OpenSSL authenticates it.
 */
export async function opensslAuthenticates({ resolver, baseDomain, smtpPort }: DaneServer): Promise<boolean> {
  const rdata = async (name: string, type: string) => {
    const { answer } = await answers({ port: resolver, name, type }, '+nosplit');
    return answer
      .map((line) => line.split(' '))
      .flatMap((f) => (f[3] === type ? [f.slice(4).join(' ')] : []));
  };
  const [address] = await rdata(baseDomain, 'A');
  const records = await rdata(`_${smtpPort}._tcp.${baseDomain}`, 'TLSA');
  if (address === undefined || records.length === 0)
    throw new Error(`${baseDomain} has no address or no TLSA record`);
  const args = [
    ...['s_client', '-starttls', 'smtp', '-connect', `${address}:${smtpPort}`],
    ...['-servername', baseDomain, '-dane_tlsa_domain', baseDomain, '-dane_ee_no_namechecks'],
    ...records.flatMap((record) => ['-dane_tlsa_rrdata', record]),
  ];
  const { stdout, stderr } = await run(programs.openssl, args, { input: 'QUIT\r\n' });
  const code = /Verify return code: (\d+)/.exec(stdout)?.[1];
  if (code === undefined)
    throw new Error(`openssl got no TLS session with ${baseDomain}:\n${stdout}${stderr}`);
  return code === '0' && stdout.includes('DANE TLSA');
}
