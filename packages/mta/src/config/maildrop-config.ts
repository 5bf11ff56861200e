/** `maildrop` of the configuration: the folder through which `danelaw sendmail` reaches a relay that does not run. */
import { isAbsolute } from 'node:path';
import { DEFAULT_MAILDROP } from '../maildrop/folder.js';
import type { Table } from './table.js';

export interface MaildropConfig {
  /** Undefined: nowhere. */
  readonly folder: string | undefined;
  /** The file says so, and it is not only the usual place. */
  readonly named: boolean;
}

/** @throws ConfigError */
export function maildropOf(table: Table): MaildropConfig {
  const folder = table.string('maildrop');
  if (folder === undefined) return { folder: DEFAULT_MAILDROP, named: false };
  if (folder === '') return { folder: undefined, named: true };
  if (isAbsolute(folder)) return { folder, named: true };
  throw table.error('maildrop', `"${folder}" must begin with "/": programs call sendmail from any folder`);
}
