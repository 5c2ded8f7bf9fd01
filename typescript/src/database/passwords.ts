/** Finds the password for an address where libpq looks: the URL, PGPASSWORD, the password file. */

import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { warn } from '../logger.ts';
import { secret, text } from '../settings.ts';
import type { Address } from './address.ts';

/** The server asks for a password and there is none. */
export class NoPassword extends Error {}

/** The password for an address; raises NoPassword when no source has one. */
export function passwordFor(address: Address): string {
  const password = address.password ?? secret('PGPASSWORD') ?? fromFile(address);
  if (password === undefined) throw new NoPassword('no password was given');
  return password;
}

/** The first line of the password file that fits, as libpq reads it. */
function fromFile({ host, port, database, user }: Address): string | undefined {
  const wanted = [host.startsWith('/') ? 'localhost' : host, String(port), database, user];
  for (const line of lines(passwordFile())) {
    const fields = split(line);
    const fits = wanted.every((value, at) => fields[at] === '*' || fields[at] === value);
    if (fits && fields[4] !== undefined) return fields[4];
  }
  return undefined;
}

function passwordFile(): string {
  const named = text('PGPASSFILE');
  if (named) return named;
  if (process.platform !== 'win32') return join(homedir(), '.pgpass');
  return join(text('APPDATA') ?? homedir(), 'postgresql', 'pgpass.conf');
}

function lines(path: string): string[] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status?.isFile()) return [];
  if (process.platform !== 'win32' && status.mode & 0o077) {
    warn(
      `${path} is ignored: others may read it. Make it yours alone with: chmod 600 ${path}`,
      'TIMESTEP_PASSWORD_FILE',
    );
    return [];
  }
  const all = readFileSync(path, 'utf8').split(/\r?\n/);
  return all.filter((line) => line !== '' && !line.startsWith('#'));
}

/** host:port:database:user:password, where a backslash takes the next character as it is. */
function split(line: string): string[] {
  const fields = line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? [];
  return fields.map((field) => field.replace(/:$/, '').replace(/\\(.)/g, '$1'));
}
