/**
 * A relay with its page in front of the lab's Internet, and mail that has met good servers, broken ones and hostile ones:
 * shared by the tests that ask for pages, and by those that look at them in a browser.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Internet, SCENARIOS, type Scenario, STS_SCENARIOS, startInternet } from '@danelaw/lab';
import { createTransport } from 'nodemailer';
import { HOUR, KEPT_HOURS } from '../src/page/protection-history.js';
import { RelayHistory } from '../src/page/relay-history.js';
import { freePort } from './free-port.js';
import { RelayProcess } from './relay-process.js';

export const TOKEN = 'the-token-of-this-page';
export const SENDER = 'sender@good-3-1-1.example';

/** What a hostile server says, and what must reach no browser as it is. */
export const HOSTILE_REPLY = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`;

const HOSTILE: Scenario = {
  domain: 'hostile.example',
  shows: 'a server that writes HTML into its replies',
  rule: 'RFC 5321 section 4.2',
  zones: { 'hostile.example': { records: ['@ MX 10 mx'] } },
  hosts: {
    'mx.hostile.example': { tlsa: ['3 1 1'], habits: { on: { rcpt: `450 4.7.1 ${HOSTILE_REPLY}` } } },
  },
  expected: { status: 'deferred', because: 'it says so' },
};

/** Each with what has to be logged of its message. */
const DOMAINS = {
  'good-3-1-1.example': 'delivered',
  'second-host.example': 'delivered',
  'plain.unsigned': 'delivered',
  'no-tlsa-no-starttls.example': 'delivered',
  'sts-enforce.unsigned': 'delivered',
  'swapped-certificate.example': 'deferred',
  'stripped-starttls.example': 'deferred',
  'tlsa-bogus.example': 'deferred',
  'mx-servfail.example': 'deferred',
  'null-mx.example': 'bounced',
  'hostile.example': 'deferred',
} as const;

export interface PageLab {
  readonly internet: Internet;
  readonly relay: RelayProcess;
  readonly url: string;
  /** By recipient's domain: the id of its message. */
  readonly ids: ReadonlyMap<string, string>;
  end(): Promise<void>;
}

/** @param seed counts a week of mail that never was, for charts that somebody looks at */
export async function startPageLab({ seed = false, token = true } = {}): Promise<PageLab> {
  const scenarios = [...SCENARIOS, ...STS_SCENARIOS, HOSTILE];
  const internet = await startInternet(
    scenarios.filter(({ domain }) => Object.keys(DOMAINS).includes(domain)),
  );
  const folder = await mkdtemp(join(tmpdir(), 'danelaw-page-'));
  await writeFile(join(folder, 'root.ds'), internet.trustAnchors.join('\n'));
  await writeFile(join(folder, 'token'), `${TOKEN}\n`);
  await writeFile(join(folder, 'roots.pem'), internet.web?.roots.join('\n') ?? '');
  const state = join(folder, 'state');
  if (seed) {
    await mkdir(state, { mode: 0o700 });
    await writeFile(join(state, 'page-history'), JSON.stringify(seeded(Date.now())));
  }
  const [smtpPort, httpPort] = [await freePort(), await freePort()];
  const relay = new RelayProcess(
    join(folder, 'danelaw.toml'),
    `
hostname = "relay.lab.example"
state = "${state}"
[[listen]]
address = "127.0.0.1:${smtpPort}"
[http]
listen = "127.0.0.1:${httpPort}"
${token ? `token_file = "${join(folder, 'token')}"` : ''}
[dns]
resolver = ["${internet.resolver.address}#${internet.resolver.port}"]
trust_anchor = "${join(folder, 'root.ds')}"
[sts]
port = ${internet.web?.port ?? 443}
web_roots = "${join(folder, 'roots.pem')}"
[delivery]
port = ${internet.smtpPort}
`,
  );
  await relay.start();
  const ids = new Map<string, string>();
  const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ignoreTLS: true });
  const send = async (domain: string, event: string): Promise<void> => {
    const to = `you@${domain}`;
    await transport.sendMail({ from: SENDER, to, subject: 'x', text: 'Hello.' });
    const logged = await relay.event((each) => each['to'] === to && each.event === event);
    ids.set(domain, String(logged['id']));
  };
  await Promise.all(Object.entries(DOMAINS).map(([domain, event]) => send(domain, event)));
  // The bounce, of null-mx.example.
  await relay.event(({ event, to }) => event === 'delivered' && to === SENDER);
  return {
    internet,
    relay,
    url: `http://127.0.0.1:${httpPort}`,
    ids,
    async end() {
      await relay.end('SIGKILL');
      await internet.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** More by day than by night, and less on two days of the week; the same each time. */
function seeded(now: number): RelayHistory {
  const history = new RelayHistory(() => now);
  for (let ago = 1; ago < KEPT_HOURS; ago++) {
    const time = now - ago * HOUR;
    const hour = new Date(time).getUTCHours();
    const isQuiet = new Date(time).getUTCDay() % 6 === 0;
    const busy = Math.round((isQuiet ? 4 : 12) * (1 + Math.sin(((hour - 8) / 24) * 2 * Math.PI)));
    const { protection } = history;
    protection.count('good-3-1-1.example', 'dane', time, busy * 5 + 1);
    protection.count('sts-enforce.unsigned', 'sts', time, busy * 2);
    protection.count('plain.unsigned', 'encrypted', time, busy * 3);
    protection.count('a-domain-with-a-name-that-is-rather-long-for-a-telephone.example', 'dane', time, busy);
    if (hour % 5 === 0) protection.count('no-tlsa-no-starttls.example', 'clear', time, busy);
    if (hour % 6 === 0) protection.count('plain.unsigned', 'deferred', time, 2);
  }
  return history;
}
