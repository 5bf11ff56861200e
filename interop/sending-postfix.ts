/**
 * Postfix as a sending mail server: it takes mail on loopback and delivers it to the MX hosts that it finds.
 *
 * It asks the resolver of /etc/resolv.conf, which has no port in it. So it gets a resolv.conf of its own, in
 * a mount namespace of its own, and the lab's resolver a helper at port 53.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../packages/mta/test/free-port.js';
import { greets } from './mail-server.js';
import { programs } from './neighbours.js';
import { runOk } from './run.js';
import { startServer } from './server-process.js';

export interface SendingPostfix {
  /** Of its master. */
  readonly pid: number;
  readonly address: string;
  readonly port: number;
  /** Hands it one message for all these recipients, from the null sender, by `sendmail`. */
  submit(recipients: readonly string[]): Promise<void>;
  /** All that it has logged so far. */
  log(): Promise<string>;
  /**
   * Waits for what became of the mail to one recipient: the line of the log that says so, and what led to it.
   */
  fate(recipient: string): Promise<{ readonly status: string; readonly line: string; readonly log: string }>;
  stop(): Promise<void>;
}

export interface SendingOptions {
  /** An empty folder; Postfix's until it is stopped. */
  readonly folder: string;
  /** Where it takes mail: an address in 127.0.0.0/8. */
  readonly address: string;
  /** Of a resolver at port 53. */
  readonly resolver: string;
  /** Lines of main.cf. */
  readonly settings: readonly string[];
}

const SEND_WITHIN = 30_000;
const LOOK_EVERY = 50;

export async function startSendingPostfix(options: SendingOptions): Promise<SendingPostfix> {
  const { folder, address, resolver, settings } = options;
  const configuration = join(folder, 'etc');
  const maillog = join(folder, 'maillog');
  const resolvConf = join(folder, 'resolv.conf');
  const port = await freePort();
  await mkdir(configuration);
  await mkdir(join(folder, 'queue'));
  await mkdir(join(folder, 'data'));
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (id) => Number(await runOk('id', [id, 'postfix']))),
  );
  await chown(join(folder, 'data'), uid ?? 0, gid ?? 0);
  await writeFile(resolvConf, `nameserver ${resolver}\noptions trust-ad timeout:5 attempts:2\n`);
  await writeFile(join(configuration, 'main.cf'), `${mainCf(folder, maillog)}${settings.join('\n')}\n`);
  await writeFile(join(configuration, 'master.cf'), `${address}:${port} inet n - n - - smtpd\n${services}`);
  await runOk(programs.postfix, ['-c', configuration, 'check']);
  const inNamespace = 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3" -d';
  const server = await startServer({
    name: 'Postfix',
    program: '/usr/bin/unshare',
    args: ['--mount', 'sh', '-c', inNamespace, 'sh', resolvConf, programs.postfixMaster, configuration],
    ready: () => greets(address, port),
    extraLog: () => readFile(maillog, 'utf8'),
  });
  return {
    pid: server.pid,
    address,
    port,
    stop: server.stop,
    log: server.log,
    async submit(recipients) {
      const text = 'From: sender@sender.test\nSubject: hello\n\nHello\n';
      await runOk(programs.sendmail, ['-C', configuration, '-f', '<>', '--', ...recipients], { input: text });
    },
    async fate(recipient) {
      const giveUpAt = performance.now() + SEND_WITHIN;
      do {
        const log = await server.log();
        const line = log
          .split('\n')
          .find((each) => each.includes(`to=<${recipient}>`) && each.includes('status='));
        const status = /status=([a-z]+)/u.exec(line ?? '')?.[1];
        if (line !== undefined && status !== undefined) return { status, line, log };
        await sleep(LOOK_EVERY);
      } while (performance.now() < giveUpAt);
      throw new Error(`Postfix decided nothing about ${recipient}:\n${await server.log()}`);
    },
  };
}

function mainCf(folder: string, maillog: string): string {
  return `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
maillog_file = ${maillog}
maillog_file_prefixes = ${folder}
mail_owner = postfix
myhostname = sender.test
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_host_lookup = dns
smtp_dns_support_level = dnssec
smtp_tls_loglevel = 1
smtp_tls_CAfile =
smtp_tls_session_cache_database =
`;
}

const services = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;

/** Has what comes to port 53 of an address answered by a resolver at another port. */
export async function atPort53(
  address: string,
  resolver: { readonly address: string; readonly port: number },
): Promise<{ close(): Promise<void> }> {
  const udp = createSocket('udp4');
  udp.on('message', (query, client) => {
    const upstream = createSocket('udp4');
    // A question that is never answered is the asker's to repeat.
    const timer = setTimeout(() => upstream.close(), SEND_WITHIN).unref();
    upstream.once('message', (reply) => {
      clearTimeout(timer);
      udp.send(reply, client.port, client.address);
      upstream.close();
    });
    upstream.on('error', () => {}).send(query, resolver.port, resolver.address);
  });
  udp.bind(53, address);
  await once(udp, 'listening');
  const tcp = createServer((client) => {
    const upstream = connect(resolver.port, resolver.address);
    client.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => client.destroy()).pipe(client);
  });
  tcp.listen(53, address);
  await once(tcp, 'listening');
  return {
    close: async () => {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}
