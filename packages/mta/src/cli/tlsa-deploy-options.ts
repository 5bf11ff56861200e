/** What `danelaw tlsa deploy` is given, and how it explains itself. */
import { type Command, Option } from 'commander';
import { ACME_CLIENTS, type AcmeClient } from '../tlsa/acme-client.js';
import type { ExitCode } from './exit.js';
import { addDnsOptions, addOutputOptions } from './network-options.js';
import { oneOf } from './option-values.js';
import { prose } from './prose.js';
import type { Io } from './terminal.js';
import { addServerOptions, type ServerOptions } from './tlsa-server-options.js';

/** As commander gives them. */
export interface DeployOptions extends ServerOptions {
  readonly certificate?: string;
  readonly key?: string;
  readonly to: string;
  readonly reload?: string;
  readonly client?: AcmeClient;
  /** False with `--no-server`. */
  readonly server?: boolean;
  readonly dryRun?: true;
}

const DEPLOY = `Gives a server its renewed certificate when senders with DANE will take it: at once where the key is the one in use;
else when every authoritative name server has published a record for it for twice the TTL (RFC 7671 section 8.1). Until then the server
keeps the old one, and the new one waits in the folder. For the hooks of certbot, lego, dehydrated and acme.sh, and for cron.`;

const EXAMPLES = `
The server is configured with DIR/current/combined.pem (the key, and the chain behind it), or with privkey.pem and fullchain.pem there.
DIR/current is changed in one step. Keys are readable for the folder's owner alone; where the folder has the set-group-ID bit
(chmod g+s), for its group, too. Without --certificate and --key what waits in DIR is deployed, if it may be by now.

Examples:
  $ danelaw tlsa deploy mx.example.org --certificate fullchain.pem --key privkey.pem --to /etc/danelaw/tls/mx \\
      --reload 'systemctl reload postfix'
  $ danelaw tlsa deploy mx.example.org --to /etc/danelaw/tls/mx --reload 'systemctl reload postfix'   # from cron
  $ danelaw tlsa deploy mx.example.org --certificate fullchain.pem --key privkey.pem --to /etc/danelaw/tls/mx --dry-run

Exit codes: 0 the server has it    64 usage    65 key and certificate do not belong together, or are damaged
            66 unreadable file    73 the folder can't be written, and the server keeps what it has
            75 it waits for its records, or the server did not reload    78 unusable trust anchors or hints`;

export function defineDeploy(deploy: Command, io: Io, finish: (code: ExitCode) => void): void {
  deploy
    .summary('give a server its renewed certificate, once its records are published')
    .description(prose(DEPLOY))
    .argument('<host>', 'the mail host, as its MX record names it')
    .optionsGroup('Certificate:')
    .option('--certificate <file>', 'the new certificate, with its chain behind it (PEM)')
    .option('--key <file>', 'its private key (PEM)')
    .requiredOption('--to <dir>', 'the folder that the server reads: DIR/current/combined.pem')
    .option(
      '--reload <command>',
      'run by the shell once the new one is there; then the server is asked for it',
    )
    .option('--no-server', 'do not ask the server, neither before nor after')
    .addOption(
      new Option('--client <program>', 'who got the certificate: says how to have it keep the key').argParser(
        oneOf(ACME_CLIENTS),
      ),
    )
    .option('--dry-run', 'say what would be done');
  addServerOptions(deploy).addHelpText('after', EXAMPLES);
  addDnsOptions(deploy);
  addOutputOptions(deploy);
  deploy.action(async (host: string, options: DeployOptions) => {
    const module = await import('./tlsa-deploy.js');
    finish(await module.deploy(host, options, io));
  });
}
