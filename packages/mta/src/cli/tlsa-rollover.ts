/** `danelaw tlsa rollover`: start, step, status and back - one key after the other, as RFC 7671 section 8.1 has it. */
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTlsa, type TlsaParameters, type TlsaRecord } from '@danelaw/dane';
import { createNetworkTransport } from '@danelaw/dns';
import { type Gathered, gather } from '../tlsa/gather.js';
import { DEFAULT_TTL } from '../tlsa/record-text.js';
import { planRecords, RECOMMENDED } from '../tlsa/records.js';
import {
  calledOff,
  type Decision,
  decide,
  intended,
  noted,
  type Rollover,
  remember,
  viewOf,
  ways,
} from '../tlsa/rollover.js';
import { callHook } from '../tlsa/rollover-hook.js';
import {
  FILE_MODE,
  FOLDER_MODE,
  NEXT_KEY,
  RolloverStateError,
  readRollover,
  writeRollover,
} from '../tlsa/rollover-state.js';
import { distinctChains, kindOf } from '../tlsa/served.js';
import {
  combinationOf,
  type JudgedServed,
  judgeChain,
  judgeServed,
  type Publication,
} from '../tlsa/verification.js';
import { takeLock } from '../tlsrpt/process-lock.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { fileErrorText } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printable, printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { hanging, type Io, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import type { RolloverOptions } from './tlsa.js';
import { readMaterial, withinData } from './tlsa-files.js';
import { findingsOf } from './tlsa-findings.js';
import { type MeantServer, meantServer } from './tlsa-server.js';

/** Starts one: the old records are those that match what the server shows now. */
export async function startRollover(host: string, options: RolloverOptions, io: Io): Promise<ExitCode> {
  const server = meantServer(host, options);
  return await inFolder(options, async (folder) => {
    const before = await readRollover(folder);
    if (before !== undefined) {
      throw new CommandError(
        EXIT.DATA,
        `there is a roll-over of ${before.host} in ${folder} already; finish it, or give another folder`,
      );
    }
    const now = Math.floor(clockFrom(options.at)());
    const gathered = await lookAt(server, options, io);
    const { baseDomain, lookup } = gathered;
    const records = lookup.status === 'secure' ? gathered.records : [];
    const publication = { records, baseDomain, host: server.host, now };
    const served = judgeServed(distinctChains(gathered.served), publication);
    refuseBroken(gathered, publication, served, server);
    // After all that could refuse it: no key is left behind by a start that failed.
    const files = options.next ?? [await makeNextKey(folder)];
    const material = await readMaterial(files, options, io);
    const old = replaced(served, material.servers[0]?.chain[0]);
    const wanted = combinationsOf(old);
    const next = withinData(() => planRecords(material, wanted)).map(({ record }) => formatTlsa(record));
    const added = next.filter((record) => !old.map(formatTlsa).includes(record));
    if (added.length === 0) {
      throw new CommandError(
        EXIT.DATA,
        'the next key is the one in use: its records are published, and there is nothing to do',
      );
    }
    const [chain] = material.servers;
    if (chain !== undefined)
      refuseHalf(chain.chain, { ...publication, records: [...records, ...added.map(recordOf)] });
    const look = viewOf(gathered, [...old, ...added.map(recordOf)], now);
    const { port, starttls } = server;
    const name = lookup.status === 'secure' ? lookup.canonicalName : gathered.name;
    const begun: Rollover = {
      ...{ host: server.host, port, name, starttls, direction: 'forward', completeSince: null },
      ...{
        old: old.map(formatTlsa),
        next: added,
        ttl: look.ttl,
        retired: false,
        retiring: [],
        lastLook: now,
      },
    };
    await writeRollover(folder, begun);
    return report(begun, decide(remember(begun, look, now), look, now), options, io, false);
  });
}

/** Looks, and does what may be done now; `status` says so and does nothing. */
export async function stepRollover(options: RolloverOptions, io: Io, isDryRun: boolean): Promise<ExitCode> {
  return await inFolder(options, async (folder) => {
    const found = await existing(folder);
    const now = Math.floor(clockFrom(options.at)());
    if (now < found.lastLook) {
      throw new CommandError(
        EXIT.TEMPORARY,
        'the clock was set back: it is earlier than at the last look, so nothing is done',
      );
    }
    const server = { ...meantServer(found.host, options), port: found.port, starttls: found.starttls };
    const gathered = await lookAt(server, options, io);
    const view = viewOf(gathered, [...found.old, ...found.next].map(recordOf), now);
    const known = remember(found, view, now);
    // What was seen is kept in any case: it is no change but of knowledge.
    await writeRollover(folder, known);
    const decision = decide(known, view, now);
    if (isDryRun || options.dryRun === true) return report(known, decision, options, io, true);
    const begun = intended(known, decision);
    await writeRollover(folder, begun);
    await carryOut(known, decision, folder, options, io);
    await writeRollover(folder, noted(begun, decision));
    return report(known, decision, options, io, false);
  });
}

/** Calls it off: from now on the way leads back to the old key. */
export async function backRollover(options: RolloverOptions, io: Io): Promise<ExitCode> {
  return await inFolder(options, async (folder) => {
    const found = await existing(folder);
    if (options.dryRun !== true) {
      await writeRollover(folder, calledOff(found));
    }
    io.stdout.write('called off: "danelaw tlsa rollover step" goes back to the old key\n');
    return EXIT.OK;
  });
}

async function existing(folder: string): Promise<Rollover> {
  const found = await readRollover(folder);
  if (found !== undefined) return found;
  throw new CommandError(
    EXIT.NO_INPUT,
    `there is no roll-over in ${folder}: begin with "danelaw tlsa rollover start"`,
  );
}

async function inFolder(
  { state: folder }: RolloverOptions,
  work: (folder: string) => Promise<ExitCode>,
): Promise<ExitCode> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE }).catch((error: unknown) => {
    throw new CommandError(EXIT.CONFIG, `--state: can't make ${folder}: ${fileErrorText(error)}`);
  });
  const release = await takeLock(folder, 'rollover', FILE_MODE);
  if (release === undefined) throw new CommandError(EXIT.TEMPORARY, `another process works in ${folder}`);
  try {
    return await work(folder);
  } catch (error) {
    if (error instanceof RolloverStateError) throw new CommandError(EXIT.DATA, error.message);
    throw error;
  } finally {
    await release();
  }
}

async function lookAt(server: MeantServer, options: RolloverOptions, io: Io): Promise<Gathered> {
  const { host, port, starttls, heloName, timeout } = server;
  const { dnsPort } = options;
  return await withResolver(options, clockFrom(options.at), io, async (resolver) => {
    const transport = createNetworkTransport();
    try {
      return await withProgress(io, `looking at ${host} ...`, () =>
        gather({
          ...{ resolver, transport, host, server: { port, starttls, heloName, timeout } },
          ...{ askServer: true, signal: io.signal },
          ...(dnsPort === undefined ? {} : { dnsPort }),
        }),
      );
    } finally {
      await transport.close();
    }
  });
}

/** A roll-over keeps what is right right; it can't mend what is broken. */
function refuseBroken(
  gathered: Gathered,
  publication: Publication,
  served: readonly JudgedServed[],
  { host, port }: MeantServer,
): void {
  const findings = findingsOf(gathered, publication, served, port);
  const [worst] = findings.filter(({ severity }) => severity === 'error');
  const [unclear] = findings.filter(({ severity }) => severity === 'unclear');
  const found = worst ?? unclear;
  if (found === undefined) return;
  const code = worst === undefined ? EXIT.TEMPORARY : EXIT.UNAVAILABLE;
  throw new CommandError(code, `put this right first (danelaw tlsa verify ${host}): ${found.text}`);
}

/** The other combinations that are published must match the next certificate too (RFC 7671 section 8). */
function refuseHalf(chain: readonly Uint8Array[], publication: Publication): void {
  const { verdict, unmatched } = judgeChain(chain, publication);
  if (verdict.authenticated && unmatched.length === 0) return;
  throw new CommandError(
    EXIT.DATA,
    `the next certificate matches no record with ${unmatched.join(', ')}, which is published too: publish one for it first ` +
      '(its issuer, with the chain that is to be sent), or remove those records',
  );
}

/** The records that the next key takes the place of: where a server has several, those of the key of its kind. */
function replaced(served: readonly JudgedServed[], next: Uint8Array | undefined): readonly TlsaRecord[] {
  const leaves = new Set(served.map(({ chain }) => Buffer.from(chain[0] ?? []).toString('latin1')));
  const kind = kindOf(next);
  const ofKind = served.filter((each) => kind !== undefined && each.kind === kind);
  const chosen = leaves.size === 1 ? served : ofKind;
  const records = new Map(
    chosen
      .flatMap(({ matched }) => matched.filter(({ usage }) => usage === 3))
      .map((each) => [formatTlsa(each), each]),
  );
  if (records.size > 0) return [...records.values()];
  throw new CommandError(
    EXIT.DATA,
    leaves.size > 1
      ? 'the server has several certificates: give the next one as a certificate with --next, of the kind that it replaces'
      : 'no DANE-EE record (usage 3) matches what the server shows; publish 3 1 1 first, for the key in use',
  );
}

/** The same parameters as before (RFC 7671 section 8.1). */
function combinationsOf(records: readonly TlsaRecord[]): readonly TlsaParameters[] {
  const combinations = [...new Set(records.map(combinationOf))];
  return combinations.flatMap((text): TlsaParameters[] => {
    const [, selector, matchingType] = text.split(' ').map(Number);
    if (selector !== 0 && selector !== 1) return [];
    if (matchingType !== 0 && matchingType !== 1 && matchingType !== 2) return [];
    return [{ ...RECOMMENDED, selector, matchingType }];
  });
}

/** One that is there from an earlier try is taken. */
async function makeNextKey(folder: string): Promise<string> {
  const file = join(folder, NEXT_KEY);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  await writeFile(file, pem, { flag: 'wx', mode: FILE_MODE }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw new CommandError(EXIT.CONFIG, `can't make ${file}: ${fileErrorText(error)}`);
  });
  await chmod(file, FILE_MODE);
  return file;
}

async function carryOut(
  rollover: Rollover,
  decision: Decision,
  folder: string,
  { hook }: RolloverOptions,
  { env, signal }: Io,
): Promise<void> {
  if (hook === undefined) return;
  const { action } = decision;
  if (action !== 'publish' && action !== 'retire' && action !== 'switch') return;
  const why = await callHook({
    program: hook,
    step: action,
    env,
    signal,
    variables: variablesOf(rollover, decision, folder),
  });
  if (why === undefined) return;
  throw new CommandError(
    EXIT.TEMPORARY,
    `${hook} ${action}: ${why}; nothing was noted, and the next step tries again`,
  );
}

function variablesOf(rollover: Rollover, decision: Decision, folder: string): Record<string, string> {
  const records = 'records' in decision ? decision.records : [];
  const verb = decision.action === 'retire' ? 'delete' : 'add';
  return {
    DANELAW_HOST: rollover.host,
    DANELAW_NAME: rollover.name,
    DANELAW_RECORDS: records.join('\n'),
    DANELAW_NSUPDATE: updateScript(rollover, records, verb),
    DANELAW_DIRECTION: rollover.direction,
    DANELAW_STATE: folder,
  };
}

function updateScript({ name, ttl }: Rollover, records: readonly string[], verb: 'add' | 'delete'): string {
  const time = verb === 'add' ? ` ${ttl === 0 ? DEFAULT_TTL : ttl}` : '';
  const lines = records.map((record) => `update ${verb} ${name}.${time} IN TLSA ${record}`);
  return [...lines, 'send', ''].join('\n');
}

function recordOf(text: string): TlsaRecord {
  const [usage, selector, matchingType, data = ''] = text.split(' ');
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    data: Buffer.from(data, 'hex'),
  };
}

function report(
  rollover: Rollover,
  decision: Decision,
  options: RolloverOptions,
  io: Io,
  isDryRun: boolean,
): ExitCode {
  const done = !isDryRun && options.hook !== undefined;
  if (options.json === true) {
    const until =
      'until' in decision && decision.until !== null ? new Date(decision.until).toISOString() : null;
    io.stdout.write(`${printableJson({ ...rollover, decision: { ...decision, until } })}\n`);
  } else {
    const lines = wordsOf(rollover, decision, done).flatMap(([label, text]) =>
      text.includes('update ') || text.includes(' IN TLSA ')
        ? [`${label}${text}`]
        : hanging(label, printable(text), widthOf(io.stdout)),
    );
    io.stdout.write(`${lines.join('\n')}\n`);
  }
  switch (decision.action) {
    case 'wait':
      return EXIT.TEMPORARY;
    case 'stop':
      return EXIT.UNAVAILABLE;
    case 'publish':
    case 'retire':
    case 'switch':
    case 'done':
      return EXIT.OK;
    default: {
      const never: never = decision;
      return never;
    }
  }
}

function wordsOf(rollover: Rollover, decision: Decision, done: boolean): [label: string, text: string][] {
  const { host, name, direction } = rollover;
  const why: [string, string] = ['  ', decision.reason];
  const key = direction === 'forward' ? 'next' : 'old';
  switch (decision.action) {
    case 'publish':
    case 'retire': {
      const verb = decision.action === 'publish' ? 'publish' : 'remove';
      const what = done ? `the hook was told to ${verb}` : `${verb} in the zone, then ask again`;
      const lines = decision.records.map((record): [string, string] => ['  ', `${name}. IN TLSA ${record}`]);
      return [[`${host}: `, what], why, ...lines];
    }
    case 'switch':
      return [
        [
          `${host}: `,
          done ? `the hook was told to switch to the ${key} key` : `switch the server to the ${key} key now`,
        ],
        why,
      ];
    case 'wait': {
      const until =
        decision.until === null ? 'ask again later' : `not before ${new Date(decision.until).toISOString()}`;
      return [[`${host}: `, `wait: ${until}`], why];
    }
    case 'stop':
      return [[`${host}: `, 'stopped: a person has to look'], why];
    case 'done': {
      const records = ways(rollover).to.join(', ');
      return [[`${host}: `, `done: the ${key} key is in use (${records})`], why];
    }
    default: {
      const never: never = decision;
      return never;
    }
  }
}
