/**
 * Every scenario of the lab, with Debian's Postfix as the sender and with danelaw, under `dane` and under
 * `dane-only`; and the table of both in docs/conformance-postfix.md.
 *
 * All of it is on one lab at ports 25 and 53. Who sent a message, and under which level, its recipient's
 * local part says.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createResolver } from '@danelaw/dns';
import {
  expectedUnder,
  type Internet,
  mailDomain,
  SCENARIOS,
  type Scenario,
  startInternet,
} from '@danelaw/lab';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import {
  type DeliveredRow,
  type DeliverOptions,
  deliverScenarios,
} from '../packages/mta/test/deliver-scenarios.js';
import { makeFolder, removeFolder } from './folder.js';
import { startIteratingUnbound } from './iterating-unbound.js';
import { withNeighbours } from './neighbours.js';
import { type Measured, renderTable } from './outcome-table.js';
import { danelawWords, expectedWords, type OutcomeWords, postfixWords } from './outcome-words.js';
import { DIFFERENCES, differenceOf, LEVELS, type Level } from './postfix-differences.js';
import { type Fate, readFates } from './postfix-log.js';
import { type SendingPostfix, startSendingPostfix } from './sending-postfix.js';

const RESOLVER = '127.9.0.53';
const POSTFIX_AT: Readonly<Record<Level, string>> = { dane: '127.0.0.7', 'dane-only': '127.0.0.8' };
/** Seconds for each stage of a session: mail hosts are near, and some of them never answer. */
const STAGE_SECONDS = 8;
const STAGES = 'connect helo starttls mail rcpt data_init data_xfer data_done rset quit'.split(' ');
/** All messages are settled in ten to twenty seconds here. */
const SETTLED_WITHIN = 120_000;
const LOOK_EVERY = 200;

withNeighbours('every scenario of the lab', () => {
  const open: (() => Promise<void>)[] = [];
  let internet: Internet;
  const fates = new Map<Level, ReadonlyMap<string, Fate>>();
  const ours = new Map<Level | 'ad', readonly DeliveredRow[]>();

  beforeAll(async () => {
    const folder = await makeFolder('scenarios');
    open.unshift(() => removeFolder(folder));
    internet = await startInternet(SCENARIOS, { dnsPort: 53, smtpPort: 25 });
    open.unshift(() => internet.close());
    const folderOf = async (name: string): Promise<string> => {
      await mkdir(join(folder, name));
      return join(folder, name);
    };
    const unbound = await startIteratingUnbound(RESOLVER, internet, await folderOf('unbound'));
    open.unshift(() => unbound.stop());
    await Promise.all(
      LEVELS.map(async (level) => {
        const options = { folder: await folderOf(level), address: POSTFIX_AT[level], resolver: RESOLVER };
        const postfix = await startSendingPostfix({ ...options, settings: settingsOf(level) });
        open.unshift(() => postfix.stop());
        fates.set(level, await sendAll(postfix, level));
      }),
    );
    for (const level of LEVELS) ours.set(level, await sendOurs({ level, localPart: `danelaw-${level}` }));
    ours.set('ad', await sendOurs({ localPart: 'danelaw-ad', judgeReasons: false }, 'ad'));
  });

  afterAll(async () => {
    for (const close of open) await close();
  });

  const recipientOf = (scenario: Scenario, level: Level) =>
    `postfix-${level}@${mailDomain(scenario, internet.mailServers)}`;

  async function sendAll(postfix: SendingPostfix, level: Level): Promise<ReadonlyMap<string, Fate>> {
    await postfix.submit(SCENARIOS.map((scenario) => recipientOf(scenario, level)));
    const giveUpAt = performance.now() + SETTLED_WITHIN;
    for (;;) {
      const settled = readFates(await postfix.log());
      if (settled.size >= SCENARIOS.length || performance.now() > giveUpAt) return settled;
      await sleep(LOOK_EVERY);
    }
  }

  /** As `danelaw demo` does, but that everybody is at the ports of the Internet. */
  async function sendOurs(
    options: DeliverOptions,
    trust: 'validate' | 'ad' = 'validate',
  ): Promise<DeliveredRow[]> {
    const { rootHints, trustAnchors } = internet;
    const resolver = createResolver(
      trust === 'ad' ? { upstream: RESOLVER, trust } : { upstream: 'iterate', rootHints, trustAnchors },
    );
    try {
      return await deliverScenarios(internet, new AbortController().signal, { ...options, resolver });
    } finally {
      await resolver.close();
    }
  }

  const oursOf = (domain: string, run: Level | 'ad'): DeliveredRow => {
    const row = ours.get(run)?.find(({ scenario }) => scenario.domain === domain);
    if (row === undefined) throw new Error(`nothing was sent to ${domain}`);
    return row;
  };

  function danelawCameTo(domain: string, level: Level): OutcomeWords {
    const [outcome] = oursOf(domain, level).delivery.recipients;
    if (outcome === undefined) throw new Error(`there is no outcome for ${domain}`);
    return danelawWords(outcome);
  }

  /** The sessions in which servers took a message for this recipient. */
  const arrivals = (recipient: string) =>
    [...internet.mailServers.values()].flatMap(({ received }) =>
      received.messages.filter(
        ({ accepted, recipients }) => accepted && recipients.some(({ address }) => address === recipient),
      ),
    );

  function postfixCameTo(scenario: Scenario, level: Level): OutcomeWords {
    const recipient = recipientOf(scenario, level);
    const fate = fates.get(level)?.get(recipient);
    if (fate === undefined) throw new Error(`Postfix decided nothing about ${recipient}`);
    const taken = arrivals(recipient);
    expect(taken.length, `${recipient} is ${fate.status}: ${fate.reason}`).toBe(
      fate.status === 'sent' ? 1 : 0,
    );
    return postfixWords(fate, taken[0]?.connection.tls !== undefined);
  }

  const rows = SCENARIOS.map((scenario) => [scenario.domain, scenario.rule, scenario] as const);

  describe.each(LEVELS)('under "%s"', (level) => {
    it.each(rows)('danelaw, %s (%s)', (domain, _, scenario) => {
      const { faults, delivery } = oursOf(domain, level);
      expect(faults, delivery.recipients[0]?.reason).toEqual([]);
      expect(danelawCameTo(domain, level)).toBe(expectedWords(expectedUnder(scenario, level)));
    });

    it.each(rows)('Postfix, %s (%s)', (domain, _, scenario) => {
      const should = differenceOf(domain, level) ?? expectedWords(expectedUnder(scenario, level));
      expect(
        postfixCameTo(scenario, level),
        fates.get(level)?.get(recipientOf(scenario, level))?.reason,
      ).toBe(should);
    });
  });

  it.each(rows)("danelaw, which believes Unbound's AD bit, %s (%s)", (domain) => {
    const { faults, delivery } = oursOf(domain, 'ad');
    expect(faults, delivery.recipients[0]?.reason).toEqual([]);
  });

  test('the table in the documentation says what was measured', async () => {
    const measured = SCENARIOS.map((scenario): Measured => {
      const { domain } = scenario;
      const cameTo = (of: (level: Level) => OutcomeWords) => ({
        dane: of('dane'),
        'dane-only': of('dane-only'),
      });
      const danelaw = cameTo((level) => danelawCameTo(domain, level));
      return { scenario, danelaw, postfix: cameTo((level) => postfixCameTo(scenario, level)) };
    });
    await expect(renderTable(measured)).toMatchFileSnapshot('../docs/conformance-postfix.md');
  });
});

test('differences between danelaw and Postfix are told of scenarios that there are', () => {
  const domains = new Set(SCENARIOS.map(({ domain }) => domain));
  const told = DIFFERENCES.flatMap(({ postfix }) => Object.keys(postfix));
  expect(told.filter((domain) => !domains.has(domain))).toEqual([]);
  expect(new Set(told).size).toBe(told.length);
});

/** Lines of main.cf: the level, the scenarios' local rules, and little patience. */
function settingsOf(level: Level): string[] {
  const rules = SCENARIOS.flatMap(({ domain, local }) => (local === undefined ? [] : [{ domain, ...local }]));
  const transports = rules.flatMap(({ domain, hosts }) =>
    hosts === undefined ? [] : [`{ ${domain} = smtp:${hosts.map((host) => `[${host}]`).join(',')} }`],
  );
  const policies = rules.flatMap(({ domain, level: own, audit }) =>
    own === undefined || audit !== undefined ? [] : [`{ ${domain} = ${own} }`],
  );
  return [
    `smtp_tls_security_level = ${level}`,
    `transport_maps = inline:{ ${transports.join(', ')} }`,
    `smtp_tls_policy_maps = inline:{ ${policies.join(', ')} }`,
    'smtp_connection_cache_on_demand = no',
    ...STAGES.map((stage) => `smtp_${stage}_timeout = ${STAGE_SECONDS}s`),
  ];
}
