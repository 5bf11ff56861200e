/** Postfix as a receiving mail server, with configuration, queue and mail in a temporary folder. */
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { greets, type Listener, type MailServer, type MailServerOptions, mailStore } from './mail-server.js';
import { programs } from './neighbours.js';
import { runOk } from './run.js';
import { startServer } from './server-process.js';

/** The user that Debian's package makes; Postfix insists on one of its own. */
const POSTFIX_USER = 'postfix';

export async function startPostfix({ listeners, port, folder }: MailServerOptions): Promise<MailServer> {
  const configuration = join(folder, 'etc');
  const mail = join(folder, 'mail');
  const log = join(folder, 'maillog');
  const user = await userIds(POSTFIX_USER);
  await mkdir(configuration);
  await mkdir(join(folder, 'queue'));
  for (const owned of [mail, join(folder, 'data')]) {
    await mkdir(owned);
    await chown(owned, user.uid, user.gid);
  }
  await writeFile(join(configuration, 'main.cf'), mainCf(folder, mail, log, user));
  const services = await Promise.all(
    listeners.map((listener) => smtpdService(listener, port, configuration)),
  );
  await writeFile(join(configuration, 'master.cf'), services.join('') + internalServices);

  // Makes the queue's folders, and complains about what is wrong.
  await runOk(programs.postfix, ['-c', configuration, 'check']);

  const server = await startServer({
    name: 'Postfix',
    program: programs.postfixMaster,
    // -d: stay in our process group, so that all its daemons end with it.
    args: ['-c', configuration, '-d'],
    ready: async () => {
      for (const { address } of listeners) await greets(address, port);
    },
    extraLog: () => readFile(log, 'utf8'),
  });
  const queue = ['incoming', 'active', 'deferred', 'hold'].map((name) => join(folder, 'queue', name));
  return { ...server, ...mailStore({ queue, maildir: join(mail, 'inbox') }, server.log) };
}

/** Every address is accepted, and everything goes to one maildir. */
function mainCf(folder: string, mail: string, log: string, { uid, gid }: UserIds): string {
  return `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
maillog_file = ${log}
maillog_file_prefixes = ${folder}
mail_owner = ${POSTFIX_USER}
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_base = ${mail}
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:${uid}
virtual_gid_maps = static:${gid}
smtpd_recipient_restrictions = permit_auth_destination, reject
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtpd_tls_session_cache_database =
smtpd_peername_lookup = no
smtputf8_enable = yes
`;
}

/** The daemons that receiving and storing a message takes, none of them in a chroot. */
const internalServices = `cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;

async function smtpdService(listener: Listener, port: number, configuration: string): Promise<string> {
  const { address, certificate } = listener;
  const tls = certificate
    ? `  -o smtpd_tls_security_level=may\n  -o smtpd_tls_chain_files=${certificate.keyAndChainFile}\n`
    : '  -o smtpd_tls_security_level=none\n';
  return `${address}:${port} inet n - n - - smtpd\n${tls}${await sniMap(listener, configuration)}`;
}

/** postmap -F puts the contents of the certificate files into a table that Postfix looks names up in. */
async function sniMap({ address, byName }: Listener, configuration: string): Promise<string> {
  if (byName === undefined) return '';
  const table = join(configuration, `sni-${address}`);
  const lines = Object.entries(byName).map(([name, { keyAndChainFile }]) => `${name} ${keyAndChainFile}\n`);
  await writeFile(table, lines.join(''));
  await runOk(programs.postmap, ['-c', configuration, '-F', `hash:${table}`]);
  return `  -o tls_server_sni_maps=hash:${table}\n`;
}

interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

async function userIds(user: string): Promise<UserIds> {
  const id = async (which: '-u' | '-g') => Number((await runOk('id', [which, user])).trim());
  return { uid: await id('-u'), gid: await id('-g') };
}
