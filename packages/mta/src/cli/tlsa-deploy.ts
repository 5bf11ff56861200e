/** `danelaw tlsa deploy HOST`: a renewed certificate goes to the server, or waits until its records are published. */
import { readFile } from 'node:fs/promises';
import { askCertificate } from '@danelaw/dane';
import { makeFolder } from '../make-folder.js';
import {
  type DeployState,
  decideDeploy,
  type LookedAt,
  lookAtDeployment,
  rememberLook,
} from '../tlsa/deploy.js';
import { CHAIN_FILE, DeployFolder, DeployFolderError, idOf, KEY_FILE } from '../tlsa/deploy-folder.js';
import { type ReadPair, readPair } from '../tlsa/deploy-pair.js';
import { reloadServer, shownEverywhere } from '../tlsa/deploy-server.js';
import { ContentsError } from '../tlsa/file-contents.js';
import type { Gathered } from '../tlsa/gather.js';
import { takeLock } from '../tlsrpt/process-lock.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { fileErrorText } from './network-options.js';
import { printable } from './printable.js';
import { withProgress } from './progress.js';
import type { Io } from './terminal.js';
import type { DeployOptions } from './tlsa-deploy-options.js';
import { type Deployment, reportDeployment } from './tlsa-deploy-report.js';
import { lookAt, momentOf } from './tlsa-look.js';
import { type MeantServer, meantServer } from './tlsa-server.js';
import { writeErrorText } from './write-whole.js';

const LOCK_MODE = 0o600;

export async function deploy(host: string, options: DeployOptions, io: Io): Promise<ExitCode> {
  const server = meantServer(host, options);
  // Before anything is touched.
  const given = await givenPair(options);
  return await inFolder(options.to, async (folder) => {
    const { path } = folder;
    const tell = (deployment: Omit<Deployment, 'host' | 'folder'>): ExitCode =>
      reportDeployment({ host: server.host, folder: path, ...deployment }, options, io);
    const state = await folder.readState();
    const read = given ?? (await pairThere(folder, state));
    if (read === undefined) return tell({ status: 'nothing' });
    const id = idOf(read.pair);
    const installedId = await folder.idAt('current');
    const isInstalled = installedId === id;
    if (isInstalled && state.unfinished !== id) {
      // What the client has is what the server has: what waited before is out of date.
      if (options.dryRun !== true) await folder.clearPlace('waiting');
      return tell({ status: 'unchanged' });
    }
    const gathered = await lookAt(server, options, io);
    const task: Task = { server, options, io, folder, read, id, gathered };
    if (isInstalled)
      return options.dryRun === true ? tell({ status: 'unchanged' }) : tell(await finish(task, state));

    const installed = installedId === undefined ? undefined : await installedPair(folder, installedId, io);
    const moment = await momentOf(options);
    const { now } = moment;
    const looked = lookAtDeployment(gathered, read.chain, installed?.chain, server.host, now);
    const known = rememberLook(state, id, looked.view, moment);
    const decision = decideDeploy(known, looked.view, now);
    const told = { ...wordsFor(looked, gathered), decision, installed: installed?.chain[0] };
    if (options.dryRun === true) return tell({ status: 'dry-run', ...told });
    await folder.clear();
    await folder.store(read.pair);
    if (decision.action !== 'deploy') {
      await folder.point('waiting', id);
      await folder.writeState(known);
      await folder.clear();
      // One that was installed before may not have been told yet.
      const untold = installed !== undefined && state.unfinished === installedId ? installed : undefined;
      const trouble = untold === undefined ? undefined : await tellServer({ ...task, read: untold });
      if (trouble === undefined) await folder.writeState({ ...known, unfinished: null });
      return tell({ status: 'waiting', trouble, ...told });
    }
    const begun: DeployState = { ...known, unfinished: id };
    await folder.writeState(begun);
    if (installedId !== undefined) await folder.point('previous', installedId);
    await folder.point('current', id);
    return tell({ ...told, ...(await finish(task, begun)) });
  });
}

interface Task {
  readonly server: MeantServer;
  readonly options: DeployOptions;
  readonly io: Io;
  readonly folder: DeployFolder;
  readonly read: ReadPair;
  readonly id: string;
  readonly gathered: Gathered;
}

/** What may be done again as often as it fails. */
async function finish(task: Task, state: DeployState): Promise<Pick<Deployment, 'status' | 'trouble'>> {
  const { folder, options } = task;
  const trouble = await tellServer(task);
  await folder.clearPlace('waiting');
  if (trouble !== undefined) return { status: 'unfinished', trouble };
  await folder.writeState({ ...state, candidate: null, completeSince: null, steady: null, unfinished: null });
  await folder.clear();
  return { status: options.reload === undefined ? 'installed' : 'deployed' };
}

/** The server reads its files again, and shows that it did. @returns why it can't be said that it does */
async function tellServer(task: Task): Promise<string | undefined> {
  const { options, io, folder, server } = task;
  const { reload: command } = options;
  if (command === undefined) return undefined;
  const variables = { DANELAW_HOST: server.host, DANELAW_FOLDER: folder.path };
  const why = await reloadServer({ command, variables, env: io.env, signal: io.signal });
  if (why !== undefined) return `"${command}" did not succeed: ${why}`;
  if (options.server === false) return undefined;
  return await withProgress(io, `asking ${server.host} ...`, () => notShown(task));
}

async function notShown({ server, io, read, gathered }: Task): Promise<string | undefined> {
  const { finding, baseDomain } = gathered;
  const { port, starttls, heloName, timeout } = server;
  return await shownEverywhere({
    addresses: finding.status === 'reachable' ? finding.addresses.map(({ address }) => address) : [],
    server: { serverName: baseDomain, port, starttls, heloName, timeout },
    own: read.chain[0] ?? new Uint8Array(),
    ask: askCertificate,
    signal: io.signal,
  });
}

function wordsFor(
  { wanted, unmatched, sameKey }: LookedAt,
  { lookup, name }: Gathered,
): Pick<Deployment, 'wanted' | 'unmatched' | 'sameKey' | 'owner'> {
  return { wanted, unmatched, sameKey, owner: lookup.status === 'secure' ? lookup.canonicalName : name };
}

async function givenPair({ certificate, key }: DeployOptions): Promise<ReadPair | undefined> {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new CommandError(
      EXIT.USAGE,
      'give --certificate and --key together, or neither: then what waits in the folder is deployed',
    );
  }
  const [chain, secret] = await Promise.all([certificate, key].map(readGiven));
  if (chain === undefined || secret === undefined) return undefined;
  return await checked({ key: secret, chain }, { key, chain: certificate });
}

async function readGiven(file: string): Promise<Uint8Array> {
  return await readFile(file).catch((error: unknown) => {
    throw new CommandError(EXIT.NO_INPUT, `can't read ${file}: ${fileErrorText(error)}`);
  });
}

/** What is to be done where no files were given: what waits, or was installed and not told. */
async function pairThere(folder: DeployFolder, { unfinished }: DeployState): Promise<ReadPair | undefined> {
  const id = (await folder.idAt('waiting')) ?? unfinished ?? undefined;
  return id === undefined ? undefined : await storedPair(folder, id);
}

async function storedPair(folder: DeployFolder, id: string): Promise<ReadPair> {
  const inFolder = (name: string): string => `${folder.path}/${id}/${name}`;
  return await checked(await folder.pair(id), { key: inFolder(KEY_FILE), chain: inFolder(CHAIN_FILE) });
}

/** What somebody has damaged there is no reason to leave it so. */
async function installedPair(folder: DeployFolder, id: string, io: Io): Promise<ReadPair | undefined> {
  try {
    return await storedPair(folder, id);
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof DeployFolderError)) throw error;
    io.stderr.write(`danelaw: what was deployed last can't be read: ${printable(error.message)}\n`);
    return undefined;
  }
}

async function checked(...[pair, names]: Parameters<typeof readPair>): Promise<ReadPair> {
  try {
    return await readPair(pair, names);
  } catch (error) {
    if (error instanceof ContentsError) throw new CommandError(EXIT.DATA, error.message);
    throw error;
  }
}

async function inFolder(path: string, work: (folder: DeployFolder) => Promise<ExitCode>): Promise<ExitCode> {
  const cantWrite = (error: unknown): never => {
    throw new CommandError(EXIT.CANT_CREATE, `--to: can't write in ${path}: ${writeErrorText(error)}`);
  };
  await makeFolder(path).catch(cantWrite);
  const release = await takeLock(path, 'deploy', LOCK_MODE).catch(cantWrite);
  if (release === undefined) throw new CommandError(EXIT.TEMPORARY, `another process works in ${path}`);
  try {
    return await work(await DeployFolder.open(path));
  } catch (error) {
    if (error instanceof DeployFolderError) throw new CommandError(EXIT.DATA, error.message);
    if (isSystemError(error)) return cantWrite(error);
    throw error;
  } finally {
    await release().catch(() => {});
  }
}

/** Of a file system: those of networks, and of programs that are started, are told where they are met. */
const isSystemError = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && !('address' in error);
