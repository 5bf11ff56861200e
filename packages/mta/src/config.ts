/**
 * The configuration file, in TOML. So far it has one part, the policy table:
 *
 *     [[policy]]
 *     domain = "example.org"
 *     level = "dane-only"
 *
 * `docs/policy.md` explains the keys of a rule.
 */
import { readFile } from 'node:fs/promises';
import { type PolicyTable, PolicyTableError, parsePolicyTable } from '@danelaw/smtp';

export interface Config {
  readonly policyTable: PolicyTable;
}

/** The file can't be read, or does not say what it should. The message names the file and the place in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Octets; 10,000 rules fit many times over. */
const MAX_CONFIG_OCTETS = 16 * 1024 * 1024;

/** @throws ConfigError */
export async function readConfig(file: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`can't read ${file} (${why})`);
  }
  if (text.length > MAX_CONFIG_OCTETS) throw new ConfigError(`${file} is larger than any configuration`);
  // Loaded where there is a file to read: most runs of the command line have none.
  const { parse, TomlError } = await import('smol-toml');
  try {
    const { policy = [], ...others } = parse(text);
    const [other] = Object.keys(others);
    if (other !== undefined) throw new ConfigError(`${file}: there is no such key: ${other}`);
    return { policyTable: parsePolicyTable(policy) };
  } catch (error) {
    if (error instanceof TomlError)
      throw new ConfigError(`${file}, line ${error.line}: ${firstLine(error.message)}`);
    if (error instanceof PolicyTableError) throw new ConfigError(`${file}: ${error.message}`);
    throw error;
  }
}

/** smol-toml draws the place as well; the number of the line says it. */
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;
