/** What a step of a roll-over has done: by an update of the zone, or by the operator's own program. */
import type { TsigKey } from '@danelaw/dns';
import { DEFAULT_TTL } from '../tlsa/record-text.js';
import type { Decision, Rollover } from '../tlsa/rollover.js';
import { callHook } from '../tlsa/rollover-hook.js';
import { keyPath } from '../tlsa/rollover-keys.js';
import { CommandError, EXIT } from './exit.js';
import type { Io } from './terminal.js';
import type { RolloverOptions } from './tlsa-rollover-options.js';
import { sendRolloverUpdate } from './tlsa-rollover-update.js';

export async function carryOut(
  rollover: Rollover,
  decision: Decision,
  folder: string,
  key: TsigKey | undefined,
  options: RolloverOptions,
  io: Io,
): Promise<void> {
  const { action } = decision;
  const { hook } = options;
  if (key !== undefined && (action === 'publish' || action === 'retire')) {
    return await sendRolloverUpdate(rollover, decision, key, options, io);
  }
  if (hook === undefined) return;
  if (action !== 'publish' && action !== 'retire' && action !== 'switch') return;
  const why = await callHook({
    program: hook,
    step: action,
    env: io.env,
    signal: io.signal,
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
    DANELAW_CHANGES: rollover.changes,
    DANELAW_STATE: folder,
    DANELAW_KEY: keyFile(rollover, folder),
  };
}

/** Of the key that the server is to have in the end; empty where it is none of ours. */
function keyFile({ changes, direction, keys }: Rollover, folder: string): string {
  const name = changes === 'key' && direction === 'forward' ? keys.next : keys.current;
  return name === null ? '' : keyPath(folder, name);
}

function updateScript({ name, ttl }: Rollover, records: readonly string[], verb: 'add' | 'delete'): string {
  const time = verb === 'add' ? ` ${ttl === 0 ? DEFAULT_TTL : ttl}` : '';
  const lines = records.map((record) => `update ${verb} ${name}.${time} IN TLSA ${record}`);
  return [...lines, 'send', ''].join('\n');
}
