/**
 * A signed DNS of our own, from the root down: zones made and signed by tools, served by NSD, resolved by
 * Unbound.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, removeFolder } from './folder.js';
import { type Nsd, startNsd } from './nsd.js';
import { delegation, makeZone, type ServedZone, type ZonePlan } from './signed-zone.js';
import { startUnbound, type Unbound } from './unbound.js';

export interface PrivateDns {
  /** The root's DS record, for `--trust-anchor`. */
  readonly trustAnchorFile: string;
  /** The same, as text. */
  readonly trustAnchors: readonly string[];
  readonly nsd: Nsd;
  readonly unbound: Unbound;
  stop(): Promise<void>;
}

/** Signs all zones (children first: a parent publishes their DS), and starts the servers. */
export async function startPrivateDns(plans: readonly ZonePlan[]): Promise<PrivateDns> {
  const folder = await makeFolder('dns');
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await removeFolder(folder);
  };
  try {
    const zones = await signAll(plans, folder);
    const trustAnchors = zones.get('.')?.ds ?? [];
    const trustAnchorFile = join(folder, 'root.anchor');
    await writeFile(trustAnchorFile, `${trustAnchors.join('\n')}\n`);
    const nsd = await startNsd([...zones.values()], folder);
    started.push(nsd);
    const origins = [...zones.keys()];
    const unbound = await startUnbound({ origins, authority: nsd.port, trustAnchorFile, folder });
    started.push(unbound);
    return { trustAnchorFile, trustAnchors, nsd, unbound, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Zones of one depth don't depend on each other and are signed at the same time. */
export async function signAll(plans: readonly ZonePlan[], folder: string): Promise<Map<string, ServedZone>> {
  const zones = new Map<string, ServedZone>();
  const depths = [...new Set(plans.map((plan) => depth(plan.origin)))].sort((a, b) => b - a);
  for (const level of depths) {
    const ofLevel = plans.filter((plan) => depth(plan.origin) === level);
    const made = await Promise.all(
      ofLevel.map((plan) => {
        const children = [...zones.values()].filter((zone) => parentOf(zone.origin, plans) === plan.origin);
        return makeZone(plan, children.map(delegation).join('\n'), folder);
      }),
    );
    for (const zone of made) zones.set(zone.origin, zone);
  }
  return zones;
}

function depth(origin: string): number {
  return origin === '.' ? 0 : origin.split('.').length;
}

/** The closest zone above: the one that delegates. */
function parentOf(origin: string, plans: readonly ZonePlan[]): string {
  const above = plans.map((plan) => plan.origin).filter((other) => origin.endsWith(`.${other}`));
  return above.sort((a, b) => b.length - a.length)[0] ?? '.';
}
