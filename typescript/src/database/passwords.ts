/** Finds the password for an address where libpq looks: the URL, PGPASSWORD, the password file. */

import { readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { warn } from '../logger.ts';
import { databasePassword, passwordFile } from '../settings.ts';
import type { Address } from './address.ts';

/** The server asks for a password and there is none. */
export class NoPassword extends Error {}

/** The password for an address, of which '' says that there is none; raises NoPassword. */
export function passwordFor(address: Address): string {
  const password = address.password ?? databasePassword() ?? passwordFromFile(address);
  if (!password) throw new NoPassword('no password was given');
  return password;
}

/** The first line of the password file that fits, as libpq reads it. */
export function passwordFromFile({ host, port, database, user }: Address): string | undefined {
  const wanted = [host, String(port), database, user];
  for (const fields of linesOf(passwordFile()).map(fieldsOf)) {
    const fits = wanted.every((value, at) => fields[at] === '*' || fields[at] === value);
    if (fits && fields[4]) return fields[4];
  }
  return undefined;
}

function linesOf(path: string): string[] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status?.isFile()) return [];
  if (process.platform !== 'win32' && status.mode & 0o077) {
    warn(
      `${path} is ignored because others may read it. Close it to them with: chmod 600 ${path}`,
      'TIMESTEP_PASSWORD_FILE',
    );
    return [];
  }
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** host:port:database:user:password, where a backslash takes the next character as it is. */
function fieldsOf(line: string): string[] {
  const fields = line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? [];
  return fields.map((field) => field.replace(/:$/, '').replace(/\\(.)/g, '$1'));
}
