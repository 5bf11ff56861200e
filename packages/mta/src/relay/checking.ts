/** A relay's settings as those of a check: what it would do with mail, with the patience of somebody who looks on. */
import { Roots } from '@danelaw/dane';
import { connectFrom } from '@danelaw/smtp';
import type { CheckContext } from '../cli/check-domain.js';
import { everyStage } from '../cli/network-options.js';
import type { WorkerSettings } from './worker-settings.js';

/** Milliseconds that each step of a server may take. */
const PATIENCE = 10_000;

export function checking(
  settings: WorkerSettings,
  around: Pick<CheckContext, 'resolver' | 'sts' | 'clock'>,
): CheckContext {
  const { heloName, level, policyTable, credentials, smtpPort: port, source, webRoots } = settings;
  return {
    ...around,
    heloName,
    level,
    policyTable,
    credentials: (name) => credentials.get(name),
    port,
    connect: connectFrom(source),
    timeouts: everyStage(PATIENCE),
    ...(webRoots === undefined ? {} : { roots: new Roots(webRoots) }),
  };
}
