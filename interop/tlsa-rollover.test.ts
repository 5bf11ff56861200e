/**
 * Whole roll-overs while mail flows: a zone on BIND and one on Knot, a Postfix that receives for both, and,
 * as senders, our relay and a Postfix that delivers under DANE or not at all. `danelaw tlsa rollover step`
 * runs again and again, as from cron; it changes the zones by updates, and a hook has the receiving Postfix
 * take the next key.
 *
 * A sender that found a key which no record speaks for would defer: neither may do so once.
 */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../packages/mta/test/free-port.js';
import { RelayProcess } from '../packages/mta/test/relay-process.js';
import { type ServerCertificate, selfSignedLeaf } from './certificates.js';
import { danelaw, jsonOf } from './danelaw.js';
import { answers } from './dig.js';
import { makeFolder, removeFolder } from './folder.js';
import { missingFrom, startLiveMail } from './live-mail.js';
import { programs, rolloverPrograms, withNeighbours } from './neighbours.js';
import { startPostfix } from './postfix.js';
import { ROLLING_RESOLVER, type RollingDns, startRollingDns } from './rolling-dns.js';
import { type SendingPostfix, startSendingPostfix } from './sending-postfix.js';

/**
 * Seconds. Twice this has to go by before the switch, and once at the end nobody knows the old record any
 * more.
 */
const TTL = 2;
/** Milliseconds. */
const SEND_EVERY = 100;
const STEP_EVERY = 300;
const ARRIVE_WITHIN = 20_000;
const SMTP_PORT = 25;

interface Domain {
  readonly server: 'bind' | 'knot';
  readonly origin: string;
  readonly address: string;
}
const DOMAINS: readonly Domain[] = [
  { server: 'bind', origin: 'rolls-on-bind.example', address: '127.25.9.1' },
  { server: 'knot', origin: 'rolls-on-knot.example', address: '127.25.9.2' },
];

interface Keys {
  readonly current: ServerCertificate;
  readonly next: ServerCertificate;
  /** What the receiving Postfix reads. */
  readonly inUse: string;
}

withNeighbours(
  'a roll-over while mail flows',
  () => {
    const started: { stop(): Promise<void> }[] = [];
    const folders: string[] = [];
    const keysOf = new Map<string, Keys>();
    let dns: RollingDns;
    let sender: SendingPostfix;
    let relay: RelayProcess;
    let relayPort: number;
    let maildir: string;
    let folder: string;

    const newFolder = async (purpose: string): Promise<string> => {
      const made = await makeFolder(purpose);
      folders.push(made);
      return made;
    };

    beforeAll(async () => {
      folder = await newFolder('rollover');
      const domains = await Promise.all(
        DOMAINS.map(async (domain) => {
          const keys = await makeKeys(domain.origin, folder);
          keysOf.set(domain.origin, keys);
          return { ...domain, keys };
        }),
      );
      const zones = domains.map(({ origin, address, keys }) => ({
        origin,
        records: `@ IN MX 10 mx\nmx IN A ${address}\n_25._tcp.mx IN TLSA ${keys.current.daneEe}`,
      }));
      const [bind, knot] = zones;
      if (bind === undefined || knot === undefined) throw new Error('two zones are needed');
      const [receiving, sending] = [await newFolder('receiving'), await newFolder('sending')];
      maildir = join(receiving, 'mail', 'inbox', 'new');
      for (const { origin, keys } of domains) await writeHook(hookOf(origin), keys, join(receiving, 'etc'));
      const listeners = domains.map(({ address, keys }) => ({
        address,
        certificate: { ...keys.current, keyAndChainFile: keys.inUse },
      }));
      const kept = <T extends { stop(): Promise<void> }>(server: T): T => {
        started.push(server);
        return server;
      };
      // Two Postfixes take their time.
      [dns, sender] = await Promise.all([
        startRollingDns({ bind, knot }, TTL, folder).then(kept),
        startSendingPostfix({
          ...{ folder: sending, address: '127.0.0.1', resolver: ROLLING_RESOLVER },
          settings: ['smtp_tls_security_level = dane-only'],
        }).then(kept),
        startPostfix({ listeners, port: SMTP_PORT, folder: receiving }).then(kept),
      ]);
      relayPort = await freePort();
      relay = new RelayProcess(
        join(folder, 'danelaw.toml'),
        `
hostname = "relay.sender.test"
state = "${join(folder, 'relay')}"

[[listen]]
address = "127.0.0.1:${relayPort}"

[dns]
resolver = ["${ROLLING_RESOLVER}"]
trust_anchor = "${dns.trustAnchorFile}"

[sts]
enabled = false
`,
      );
      await relay.start();
      started.push({ stop: async () => void (await relay.end('SIGTERM')) });
    });
    afterAll(async () => {
      await Promise.all(started.map((each) => each.stop()));
      await Promise.all(folders.map(removeFolder));
    });

    const hookOf = (origin: string): string => join(folder, `${origin}-hook`);
    const keys = (origin: string): Keys => {
      const found = keysOf.get(origin);
      if (found === undefined) throw new Error(`no keys for ${origin}`);
      return found;
    };
    const rollover = (command: string, origin: string, ...more: string[]) =>
      danelaw([
        ...['tlsa', 'rollover', command, ...more, '--state', join(folder, `${origin}-rollover`), '--json'],
        ...[
          '--resolver',
          `${ROLLING_RESOLVER}#53`,
          '--trust-anchor',
          dns.trustAnchorFile,
          '--dns-port',
          String(dns.port),
        ],
      ]);

    /** What the steps did, one after the other. */
    async function rollOver({ origin, server }: Domain): Promise<string[]> {
      const actions: string[] = [];
      const { next } = keys(origin);
      const begun = await rollover('start', origin, `mx.${origin}`, '--next', next.chainFile);
      expect([begun.code, begun.stderr]).toEqual([0, '']);
      for (;;) {
        const how = ['--update', dns[server].keyFile, '--hook', hookOf(origin)];
        const finished = await rollover('step', origin, ...how);
        const action = actionOf(jsonOf(finished));
        if (actions.at(-1) !== action) actions.push(action);
        if (action === 'done' || finished.code === 69) return actions;
        await sleep(STEP_EVERY);
      }
    }

    test('on BIND and on Knot: every message arrives, and nobody defers', async () => {
      const recipients = DOMAINS.map(({ origin }) => `somebody@${origin}`);
      const flow = { host: '127.0.0.1', recipients, every: SEND_EVERY };
      const flows = [
        startLiveMail({ ...flow, port: relayPort }),
        startLiveMail({ ...flow, port: sender.port }),
      ];
      const stop = () => Promise.all(flows.map((each) => each.stop()));
      try {
        const actions = await Promise.all(DOMAINS.map(rollOver));
        for (const each of actions) {
          expect(each.slice(0, 2)).toEqual(['publish', 'wait']);
          // It may wait for the reload, too.
          expect(each.filter((action) => action !== 'wait')).toEqual(['publish', 'switch', 'retire', 'done']);
        }
        // Mail goes on until nobody has the old record in a cache.
        await sleep(1.5 * TTL * 1000);
        const sent = (await stop()).flat();
        expect(await missingFrom(maildir, sent, ARRIVE_WITHIN)).toEqual([]);
      } finally {
        await stop();
      }
      const unsent = (await sender.log()).split('\n').filter((line) => /status=(?!sent)/u.test(line));
      const events = relay.events.filter(({ event }) => /^(?:delivered|deferred|bounced)$/u.test(event));
      const unproved = events.filter(
        ({ event, authenticated: by }) => event !== 'delivered' || by !== 'dane',
      );
      expect([unsent, unproved]).toEqual([[], []]);
      for (const { origin, server } of DOMAINS) {
        const { address, port } = dns[server];
        const { answer } = await answers({ address, port, name: `_25._tcp.mx.${origin}`, type: 'TLSA' });
        expect(answer.map(tlsaText)).toEqual([keys(origin).next.daneEe]);
      }
    });
  },
  rolloverPrograms,
);

async function makeKeys(origin: string, folder: string): Promise<Keys> {
  const current = await selfSignedLeaf(`${origin}-current`, folder);
  const next = await selfSignedLeaf(`${origin}-next`, folder);
  const inUse = join(folder, `${origin}.pem`);
  await copyFile(current.keyAndChainFile, inUse);
  return { current, next, inUse };
}

/** Puts the next key, or the old one, where Postfix reads it, at one go; and has it read. */
async function writeHook(file: string, { current, next, inUse }: Keys, configuration: string): Promise<void> {
  const text = `#!/bin/sh -e
[ "$1" = switch ] # the records are published by updates
case $DANELAW_DIRECTION in
  forward) cp '${next.keyAndChainFile}' '${inUse}.new' ;;
  back) cp '${current.keyAndChainFile}' '${inUse}.new' ;;
esac
mv '${inUse}.new' '${inUse}'
exec ${programs.postfix} -c '${configuration}' reload
`;
  await writeFile(file, text, { mode: 0o755 });
}

/** `dig` breaks the digest in two, and writes it in capitals. */
function tlsaText(line: string): string {
  const [, , , , usage, selector, matchingType, ...hex] = line.split(' ');
  return `${usage} ${selector} ${matchingType} ${hex.join('').toLowerCase()}`;
}

function actionOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'decision' in value) {
    const { decision } = value;
    if (typeof decision === 'object' && decision !== null && 'action' in decision)
      return String(decision.action);
  }
  throw new Error(`no decision: ${JSON.stringify(value)}`);
}
