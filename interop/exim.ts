/** Exim as a receiving mail server, with its own configuration, spool and mail in a temporary folder. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { greets, type Listener, type MailServer, type MailServerOptions, mailStore } from './mail-server.js';
import { programs } from './neighbours.js';
import { startServer } from './server-process.js';

/** The user that is compiled into Debian's Exim. */
const EXIM_USER = 'Debian-exim';

export async function startExim({ listeners, port, folder }: MailServerOptions): Promise<MailServer> {
  const configuration = join(folder, 'exim.conf');
  await writeFile(configuration, eximConf(listeners, port, folder));
  for (const writable of ['spool', 'log', 'mail']) {
    await mkdir(join(folder, writable));
    await chmod(join(folder, writable), 0o777);
  }
  const server = await startServer({
    name: 'Exim',
    program: programs.exim,
    args: ['-C', configuration, '-bdf', '-q1h'],
    ready: async () => {
      for (const { address } of listeners) await greets(address, port);
    },
    extraLog: async () => {
      const logs = ['main', 'reject', 'panic'].map((log) =>
        readFile(join(folder, 'log', log), 'utf8').catch(() => ''),
      );
      return (await Promise.all(logs)).join('');
    },
  });
  const store = { queue: [join(folder, 'spool', 'input')], maildir: join(folder, 'mail', 'inbox') };
  return { ...server, ...mailStore(store, server.log) };
}

/** Every address is accepted, and everything goes to one maildir. */
function eximConf(listeners: readonly Listener[], port: number, folder: string): string {
  const withTls = listeners.filter((listener) => listener.certificate !== undefined);
  const byAddress = (file: 'chainFile' | 'keyFile') =>
    withTls.reduceRight(
      (otherwise, { address, certificate }) =>
        `\${if eq{$received_ip_address}{${address}}{${certificate?.[file] ?? ''}}{${otherwise}}}`,
      '',
    );
  return `primary_hostname = exim.test
exim_user = ${EXIM_USER}
exim_group = ${EXIM_USER}
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%s
pid_file_path = ${folder}/exim.pid
local_interfaces = <; ${listeners.map(({ address }) => `${address}.${port}`).join(' ; ')}
tls_advertise_hosts = \${if inlist{$received_ip_address}{${withTls.map(({ address }) => address).join(':')}}{*}{}}
tls_certificate = ${byAddress('chainFile')}
tls_privatekey = ${byAddress('keyFile')}
acl_smtp_rcpt = accept
acl_smtp_data = accept
smtp_accept_max = 0
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
keep_environment =
begin routers
everything:
  driver = accept
  transport = inbox
begin transports
inbox:
  driver = appendfile
  directory = ${folder}/mail/inbox
  create_directory = true
  maildir_format = true
  delivery_date_add = false
  envelope_to_add = false
  return_path_add = false
  user = ${EXIM_USER}
`;
}
