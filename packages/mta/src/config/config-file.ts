/** Where the configuration is if nobody names another file. Apart, as some commands load nothing else. */
import { existsSync } from 'node:fs';

export const CONFIG_FILE = '/etc/danelaw/danelaw.toml';

/**
 * The file that the relay of this machine goes by, and with it every command about that relay: the one that was named, else
 * the usual one. One that may not be read is no reason to go by defaults, which would be about another relay.
 * @returns undefined where there is none
 */
export function configurationFile(named: string | undefined, usual = CONFIG_FILE): string | undefined {
  return named ?? (existsSync(usual) ? usual : undefined);
}
