/** `danelaw tlsa rollover step --update`: the key, the way to the primary server, and what is told of it. */
import { readFile, stat } from 'node:fs/promises';
import {
  createNetworkTransport,
  formatServer,
  formatUpdate,
  parseTsigKey,
  type TsigKey,
  WireError,
} from '@danelaw/dns';
import { carryOutUpdate, planUpdate, type UpdateJob, type UpdatePath } from '../tlsa/publish-by-update.js';
import { DEFAULT_TTL, recordOf } from '../tlsa/record-text.js';
import { type Decision, type Rollover, ways } from '../tlsa/rollover.js';
import type { UpdateFailure } from '../tlsa/update-failure.js';
import { CommandError, EXIT } from './exit.js';
import { fileErrorText } from './network-options.js';
import { withResolver } from './open-resolver.js';
import { printable } from './printable.js';
import type { Io } from './terminal.js';
import { clockFrom } from './time.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';

/** What would be sent; for `--dry-run`. */
export interface ShownUpdate {
  /** With its address and the key. */
  readonly to: string;
  /** For nsupdate. */
  readonly script: string;
}

/** @returns undefined where the decision is none that is published, or no key was given */
export async function showUpdate(
  rollover: Rollover,
  decision: Decision,
  key: TsigKey | undefined,
  options: RolloverOptions,
  io: Io,
): Promise<ShownUpdate | undefined> {
  const job = jobOf(rollover, decision);
  if (key === undefined || job === undefined) return undefined;
  return await onPath(key, options, io, async (path) => {
    const plan = await planUpdate(job, path);
    if (plan.status === 'failed') throw failed(plan);
    const servers = plan.addresses.map(formatServer).join(', ');
    return {
      to: `${plan.server} [${servers}], signed with "${key.name}" (${key.algorithm})`,
      script: formatUpdate(plan.update),
    };
  });
}

/** @throws CommandError 75, 77 */
export async function sendRolloverUpdate(
  rollover: Rollover,
  decision: Decision,
  key: TsigKey,
  options: RolloverOptions,
  io: Io,
): Promise<void> {
  const job = jobOf(rollover, decision);
  if (job === undefined) return;
  await onPath(key, options, io, async (path) => {
    const plan = await planUpdate(job, path);
    const result = plan.status === 'failed' ? plan : await carryOutUpdate(plan, path);
    if (result.status === 'failed') throw failed(result);
  });
}

const failed = ({ kind, reason }: UpdateFailure): CommandError =>
  new CommandError(kind === 'forbidden' ? EXIT.NO_PERMISSION : EXIT.TEMPORARY, reason);

function jobOf(rollover: Rollover, decision: Decision): UpdateJob | undefined {
  const { action } = decision;
  if (action !== 'publish' && action !== 'retire') return undefined;
  const { name, ttl } = rollover;
  const records = decision.records.map(recordOf);
  return {
    ...{ action, name, records, ttl: ttl === 0 ? DEFAULT_TTL : ttl },
    keep: action === 'retire' ? stayingBeside(rollover, decision.records).map(recordOf) : [],
  };
}

/** The records of one of the two keys go; those of the other are in use. */
function stayingBeside(rollover: Rollover, leaving: readonly string[]): readonly string[] {
  const { from, to } = ways(rollover);
  const staying = leaving.some((record) => from.includes(record)) ? to : from;
  return staying.filter((record) => !leaving.includes(record));
}

async function onPath<T>(
  key: TsigKey,
  options: RolloverOptions,
  io: Io,
  work: (path: UpdatePath) => Promise<T>,
): Promise<T> {
  return await withResolver(options, clockFrom(options.at), io, async (resolver) => {
    const transport = createNetworkTransport();
    const { updateServer, dnsPort = DNS_PORT } = options;
    try {
      return await work({
        ...{ resolver, transport, key, port: dnsPort, signal: io.signal },
        // Not the time of --at: the server judges by its own clock.
        clock: Date.now,
        ...(updateServer === undefined ? {} : { server: updateServer }),
      });
    } finally {
      await transport.close();
    }
  });
}

const DNS_PORT = 53;
const OTHERS = 0o007;

/**
 * Read before anything is looked at, so that a wrong file is found when cron is set up and not on the day on
 * which it is needed.
 * @throws CommandError 65 where it holds no key, 66 where it can't be read
 */
export async function readUpdateKey({ update: file }: RolloverOptions, io: Io): Promise<TsigKey | undefined> {
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(EXIT.NO_INPUT, `--update: can't read ${file}: ${fileErrorText(error)}`);
  });
  const key = toKey(file, text);
  const { mode } = await stat(file).catch(() => ({ mode: 0 }));
  const shown = printable(file);
  if ((mode & OTHERS) !== 0) {
    io.stderr.write(
      `danelaw: ${shown} has a key in it that everybody on this machine can read, and change the zone ` +
        `with: "chmod o= ${shown}", and make a new key if anybody could have\n`,
    );
  }
  if (key.isShort) {
    io.stderr.write(
      `danelaw: the secret in ${shown} is shorter than it should be for ${key.algorithm} ` +
        '(RFC 8945 section 8)\n',
    );
  }
  return key;
}

function toKey(file: string, text: string): TsigKey {
  try {
    return parseTsigKey(text);
  } catch (error) {
    if (error instanceof WireError) throw new CommandError(EXIT.DATA, `--update: ${file}: ${error.message}`);
    throw error;
  }
}
