/**
 * `danelaw tlsa rollover`: start, step, status, switch and back - one key or issuer after the other, as RFC 7671 section 8.1 has it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import type { TsigKey } from '@danelaw/dns';
import type { Gathered } from '../tlsa/gather.js';
import type { Material } from '../tlsa/material.js';
import {
  calledOff,
  decide,
  intended,
  type KeyType,
  noted,
  type Rollover,
  remember,
} from '../tlsa/rollover.js';
import { adoptKey, type KeptKey, linkKeys, makeKey } from '../tlsa/rollover-keys.js';
import { keepFinished, readRollover, writeRollover } from '../tlsa/rollover-state.js';
import { type RolloverView, viewOf } from '../tlsa/rollover-view.js';
import { distinctChains } from '../tlsa/served.js';
import type { Moment } from '../tlsa/steady-clock.js';
import { judgeServed } from '../tlsa/verification.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { printable } from './printable.js';
import { hanging, type Io, widthOf } from './terminal.js';
import { readMaterial } from './tlsa-files.js';
import { lookAt, momentOf } from './tlsa-look.js';
import { carryOut } from './tlsa-rollover-act.js';
import {
  beginningOf,
  refuseBroken,
  refuseUncarried,
  refuseUnreplaceable,
  warnOfAuthorities,
} from './tlsa-rollover-begin.js';
import { existing, inFolder, preparedIn, withinTime } from './tlsa-rollover-folder.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import { report, reportPlan } from './tlsa-rollover-report.js';
import { readUpdateKey, showUpdate } from './tlsa-rollover-update.js';
import { type MeantServer, meantServer } from './tlsa-server.js';

/** What begins, and of what it follows. */
interface Start extends Moment {
  readonly folder: string;
  readonly server: MeantServer;
  readonly gathered: Gathered;
  /** Of what is to come; without any a key is made. */
  readonly material: Material | undefined;
  /** Finished; as it was remembered after this look. */
  readonly before: Rollover | undefined;
  readonly standby: KeyType | null;
}

const DEFAULT_KEY_TYPE: KeyType = 'p256';

/** Starts one: the old records are those that match what the server shows now. */
export async function startRollover(host: string, options: RolloverOptions, io: Io): Promise<ExitCode> {
  const server = meantServer(host, options);
  // Before anybody is asked: a file that can't be read is no reason to call a server.
  const material = options.next === undefined ? undefined : await readMaterial(options.next, options, io);
  if (material !== undefined) warnOfAuthorities(material, server.host, io);
  return await inFolder(options, async (folder) => {
    const found = await readRollover(folder);
    const moment = await momentOf(options);
    const gathered = await lookAt(server, options, io);
    const before =
      found === undefined
        ? undefined
        : finished(withinTime(found, moment, io), gathered, server, folder, moment.now);
    const standby = options.standby === true ? (options.keyType ?? DEFAULT_KEY_TYPE) : null;
    const start = { folder, server, gathered, material, before, standby, ...moment };
    const { known, view, keyType } = await begin(start, options);
    if (options.dryRun === true) return reportPlan(known, keyType, options, io);
    const code = report(known, decide(known, view, moment.now), options, io, 'told');
    if (keyType !== undefined && options.json !== true) tellOfKey(folder, io);
    return code;
  });
}

function tellOfKey(folder: string, { stdout }: Io): void {
  const text = `the next key is ${join(folder, 'next.key')}, a request for its certificate next.csr beside it`;
  stdout.write(`${hanging('  ', printable(text), widthOf(stdout)).join('\n')}\n`);
}

/** One after the other: nothing that is under way is overtaken. @throws CommandError 65, 75 */
function finished(
  found: Rollover,
  gathered: Gathered,
  { host, port }: MeantServer,
  folder: string,
  now: number,
): Rollover {
  if (found.host !== host || found.port !== port) {
    throw new CommandError(
      EXIT.DATA,
      `${folder} holds the roll-over of ${found.host} port ${found.port} already; give another folder`,
    );
  }
  const view = viewOf(gathered, { about: [...found.old, ...found.next], prepared: undefined, now });
  const known = remember(found, view, now);
  const { action, reason } = decide(known, view, now);
  if (action === 'done') return known;
  throw new CommandError(
    EXIT.DATA,
    `there is a roll-over of ${found.host} in ${folder} already, which is not done (${reason}): finish it, or give another folder`,
  );
}

interface Begun {
  readonly known: Rollover;
  readonly view: RolloverView;
  /** Of the key that was made, or in a dry run would be. */
  readonly keyType: KeyType | undefined;
}

/** Writes it down, but in a dry run. */
async function begin(start: Start, options: RolloverOptions): Promise<Begun> {
  const { folder, server, gathered, before, standby, now, steady } = start;
  const { baseDomain, lookup } = gathered;
  const { host, port, starttls } = server;
  const records = lookup.status === 'secure' ? gathered.records : [];
  const publication = { records, baseDomain, host, now };
  const served = judgeServed(distinctChains(gathered.served), publication);
  refuseBroken(gathered, publication, served, server);
  const keyType = options.keyType ?? standby ?? DEFAULT_KEY_TYPE;
  if (start.material === undefined) refuseUnreplaceable(served, keyType === 'p256' ? 'ecdsa' : 'rsa');
  const isDryRun = options.dryRun === true;
  // After all that could refuse it: no key is left behind by a start that failed.
  const made = start.material === undefined && !isDryRun ? await nextKey(folder, keyType, host) : undefined;
  const material = start.material ?? materialOf(made?.spki ?? stranger(keyType));
  const beginning = beginningOf(material, served, publication);
  const { old, next, changes, chains } = beginning;
  const order = options.order ?? 'before';
  if (order === 'after') refuseUncarried(beginning, publication);
  const view = viewOf(gathered, { about: [...old, ...next], prepared: chains, now });
  const begun: Rollover = {
    ...{ host, port, starttls, name: lookup.status === 'secure' ? lookup.canonicalName : gathered.name },
    ...{ direction: 'forward', changes, order, old, next, hold: standby !== null, standby },
    chains: chains.map((chain) => chain.map((der) => Buffer.from(der).toString('base64'))),
    ...{ since: before?.since ?? {}, ttl: before?.ttl ?? view.ttl, ttlSeen: before?.ttlSeen ?? now },
    ...{ retired: false, retiring: [], begun: now, lastLook: now, steady },
    keys: { current: currentAfter(before), next: made?.name ?? null },
  };
  const known = remember(begun, view, now);
  if (!isDryRun) {
    if (before !== undefined) await keepFinished(folder, before);
    await writeRollover(folder, known);
    await linkKeys(folder, known);
  }
  return { known, view, keyType: start.material === undefined ? keyType : undefined };
}

async function nextKey(folder: string, type: KeyType, host: string): Promise<KeptKey> {
  return (await adoptKey(folder, host)) ?? (await makeKey(folder, type, host));
}

/** Bits. Nothing is ever signed with it. */
const QUICK_BITS = 1024;

/** In place of one that is not made, so that all else can be looked at. */
function stranger(type: KeyType): Uint8Array {
  const { publicKey } =
    type === 'p256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: QUICK_BITS });
  return publicKey.export({ format: 'der', type: 'spki' });
}

const materialOf = (spki: Uint8Array): Material => ({
  servers: [],
  keys: [{ spki, kind: 'private key', from: 'next.key' }],
});

/** The file of the key in use once a roll-over is finished, where it is one of ours. */
function currentAfter(before: Rollover | undefined): string | null {
  if (before === undefined) return null;
  const { changes, direction, keys } = before;
  return changes === 'key' && direction === 'forward' ? keys.next : keys.current;
}

/** What a step is: it does what may be done now; `status` says so and does nothing; `switch` lets the next one in. */
export type StepKind = 'step' | 'status' | 'switch';

export async function stepRollover(options: RolloverOptions, io: Io, kind: StepKind): Promise<ExitCode> {
  return await inFolder(options, async (folder) => {
    const kept = await existing(folder);
    const key = await readUpdateKey(options, io);
    const moment = await momentOf(options);
    const { now } = moment;
    const timed = withinTime(kept, moment, io);
    const found = kind === 'switch' ? { ...timed, hold: false } : timed;
    const server = { ...meantServer(found.host, options), port: found.port, starttls: found.starttls };
    const prepared = await preparedIn(folder, found, options, io);
    const gathered = await lookAt(server, options, io);
    const view = viewOf(gathered, { about: [...found.old, ...found.next], prepared, now });
    const known = remember(found, view, now);
    const decision = decide(known, view, now);
    const { standby } = known;
    const isDryRun = options.dryRun === true;
    // What was seen is kept in any case: it is no change but of knowledge.
    if (!isDryRun) await writeRollover(folder, known);
    if (kind === 'status') return report(known, decision, options, io, isDryRun ? 'dry run' : 'told');
    if (!isDryRun) await linkKeys(folder, known);
    const work = { folder, key, options, io, now };
    if (decision.action !== 'done' || standby === null) return await act(known, view, work);
    const start = { folder, server, gathered, material: undefined, before: known, standby, ...moment };
    const next = await begin(start, options);
    if (isDryRun) return reportPlan(next.known, next.keyType, options, io);
    return await act(next.known, next.view, work);
  });
}

interface Work {
  readonly folder: string;
  readonly key: TsigKey | undefined;
  readonly options: RolloverOptions;
  readonly io: Io;
  readonly now: number;
}

/** Does, or has done, what may be done; in a dry run says so. */
async function act(known: Rollover, view: RolloverView, work: Work): Promise<ExitCode> {
  const { folder, key, options, io, now } = work;
  const decision = decide(known, view, now);
  if (options.dryRun === true) {
    const update = await showUpdate(known, decision, key, options, io);
    return report(known, decision, options, io, 'dry run', update);
  }
  const begun = intended(known, decision);
  await writeRollover(folder, begun);
  await carryOut(known, decision, folder, key, options, io);
  await writeRollover(folder, noted(begun, decision));
  return report(known, decision, options, io, 'carried out');
}

/** Calls it off: from now on the way leads back to the old key. */
export async function backRollover(options: RolloverOptions, io: Io): Promise<ExitCode> {
  return await inFolder(options, async (folder) => {
    const found = await existing(folder);
    const back = calledOff(found);
    const isDryRun = options.dryRun === true;
    if (!isDryRun) await writeRollover(folder, back);
    const done = isDryRun ? 'dry run, nothing is changed: it would be called off, and' : 'called off:';
    io.stdout.write(`${done} "danelaw tlsa rollover step" goes back to the old ${found.changes}\n`);
    return EXIT.OK;
  });
}
