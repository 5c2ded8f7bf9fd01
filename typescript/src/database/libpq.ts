/** The database that libpq's own variables name: PGHOST and its like, or an entry of a service file. */

import { readFileSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';
import { databaseUser, serviceFiles, text } from '../settings.ts';
import { type Address, parseAddress } from './address.ts';

/** Undefined when neither PGHOST nor PGSERVICE is set. */
export function libpqAddress(): { address: Address; source: string } | undefined {
  const service = text('PGSERVICE');
  if (service) return { address: fromParts(readService(service)), source: 'PGSERVICE' };
  return text('PGHOST') ? { address: fromParts(new Map()), source: 'PGHOST' } : undefined;
}

/** What a service entry says counts before the variables, as in libpq. */
function fromParts(parts: Map<string, string>): Address {
  const take = (name: string) => {
    const value = parts.get(name);
    parts.delete(name);
    return value;
  };
  const host = take('hostaddr') ?? take('host') ?? text('PGHOST') ?? 'localhost';
  parts.delete('host');
  const user = take('user') ?? databaseUser();
  const password = take('password');
  const login = encodeURIComponent(user) + (password ? `:${encodeURIComponent(password)}` : '');
  const port = take('port') ?? '';
  const place = `${/^[\da-f:.]*:[\da-f:.]*$/i.test(host) ? `[${host}]` : host}:${port}`;
  const database = encodeURIComponent(take('dbname') ?? '');
  const query = [...parts].map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return parseAddress(`postgresql://${login}@${place}/${database}?${query.join('&')}`);
}

/** The settings of one entry: the user's file first, then the system's. */
function readService(service: string): Map<string, string> {
  const files = serviceFiles();
  for (const file of files) {
    const entry = findEntry(linesOf(file), service);
    if (entry) return entry;
  }
  throw new ConfigurationError(
    `PGSERVICE names '${service}', and no such entry is in ${files.join(' or ')}; add [${service}] there, or correct PGSERVICE.`,
  );
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new ConfigurationError(`The service file ${file} cannot be read.`, { cause: error });
  }
}

function findEntry(lines: string[], service: string): Map<string, string> | undefined {
  const start = lines.findIndex((line) => line.trim() === `[${service}]`);
  if (start === -1) return undefined;
  const entry = new Map<string, string>();
  for (const line of lines.slice(start + 1).map((text) => text.trim())) {
    if (line.startsWith('[')) break;
    const [, name, value] = /^([^#=]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) entry.set(name.trim(), value.trim());
  }
  return entry;
}
