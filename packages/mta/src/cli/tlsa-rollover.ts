/** `danelaw tlsa rollover`: start, step, status and back - one key after the other, as RFC 7671 section 8.1 has it. */
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTlsa } from '@danelaw/dane';
import { createNetworkTransport } from '@danelaw/dns';
import { type Gathered, gather } from '../tlsa/gather.js';
import { recordOf } from '../tlsa/record-text.js';
import { planRecords } from '../tlsa/records.js';
import { calledOff, decide, intended, noted, type Rollover, remember } from '../tlsa/rollover.js';
import {
  FILE_MODE,
  FOLDER_MODE,
  NEXT_KEY,
  RolloverStateError,
  readRollover,
  writeRollover,
} from '../tlsa/rollover-state.js';
import { viewOf } from '../tlsa/rollover-view.js';
import { distinctChains } from '../tlsa/served.js';
import { judgeServed } from '../tlsa/verification.js';
import { takeLock } from '../tlsrpt/process-lock.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { fileErrorText } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { withProgress } from './progress.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';
import { readMaterial, withinData } from './tlsa-files.js';
import { carryOut } from './tlsa-rollover-act.js';
import { combinationsOf, refuseBroken, refuseHalf, replaced } from './tlsa-rollover-begin.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import { report } from './tlsa-rollover-report.js';
import { readUpdateKey, showUpdate } from './tlsa-rollover-update.js';
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
    const key = await readUpdateKey(options, io);
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
    if (isDryRun || options.dryRun === true) {
      const update = await showUpdate(known, decision, key, options, io);
      return report(known, decision, options, io, true, update);
    }
    const begun = intended(known, decision);
    await writeRollover(folder, begun);
    await carryOut(known, decision, folder, key, options, io);
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
