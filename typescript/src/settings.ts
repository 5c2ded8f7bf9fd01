/** The only reader of environment variables. Every name is described in spec/environment.json. */

import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { ConfigurationError } from './errors.ts';

const ON = ['1', 'true', 'yes', 'on'];
const OFF = ['0', 'false', 'no', 'off'];

/** The variable's value; an unset, empty or blank one is undefined. */
export function text(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

/** Whether a variable that is on or off is on; raises ConfigurationError for any other word. */
export function isOn(name: string, byDefault: boolean): boolean {
  const value = text(name);
  if (value === undefined) return byDefault;
  if (ON.includes(value.toLowerCase())) return true;
  if (OFF.includes(value.toLowerCase())) return false;
  throw new ConfigurationError(
    `${name} is '${value}'; expected one of ${[...ON, ...OFF].join(', ')}.`,
  );
}

/** The variable's value as a whole number within its limits. */
export function wholeNumber(
  name: string,
  {
    byDefault,
    lowest,
    highest,
    unit,
  }: { byDefault: number; lowest: number; highest: number; unit: string },
): number {
  const value = text(name);
  if (value === undefined) return byDefault;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= lowest && number <= highest) return number;
  throw new ConfigurationError(
    `${name} is '${value}'; expected ${unit} from ${lowest} to ${highest}.`,
  );
}

/** Whether the embedded PostgreSQL may be used. */
export function embeddedAllowed(): boolean {
  return isOn('TIMESTEP_EMBEDDED', true);
}

/** Whether the embedded PostgreSQL stays up after its last process. */
export function embeddedKept(): boolean {
  return isOn('TIMESTEP_EMBEDDED_KEEP', false);
}

/** The folder for what Timestep keeps on this machine. */
export function dataFolder(): string {
  const chosen = text('TIMESTEP_DATA_DIR');
  if (chosen) return resolve(chosen.replace(/^~(?=$|[/\\])/, homedir()));
  if (process.platform === 'win32')
    return join(text('LOCALAPPDATA') ?? join(homedir(), 'AppData', 'Local'), 'timestep');
  if (isRoot()) return '/var/lib/timestep';
  if (process.platform === 'darwin')
    return join(homedir(), 'Library', 'Application Support', 'timestep');
  return join(text('XDG_DATA_HOME') ?? join(homedir(), '.local', 'share'), 'timestep');
}

/** Whether this process runs as root, which PostgreSQL refuses to do. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The user that libpq would connect as when none is named. */
export function databaseUser(): string {
  return text('PGUSER') ?? accountName();
}

/** PGPASSWORD as it stands: a password may begin or end with a blank. */
export function databasePassword(): string | undefined {
  return process.env.PGPASSWORD || undefined;
}

/** The file in which libpq looks for passwords. */
export function passwordFile(): string {
  const chosen = text('PGPASSFILE');
  if (chosen) return chosen;
  if (process.platform !== 'win32') return join(homedir(), '.pgpass');
  return join(text('APPDATA') ?? homedir(), 'postgresql', 'pgpass.conf');
}

/** The files in which libpq looks for the entry that PGSERVICE names, in its order. */
export function serviceFiles(): string[] {
  const own = text('PGSERVICEFILE') ?? join(homedir(), '.pg_service.conf');
  const system = text('PGSYSCONFDIR');
  return system ? [own, join(system, 'pg_service.conf')] : [own];
}

/** PGPORT, or PostgreSQL's own port. */
export function defaultPort(): number {
  return wholeNumber('PGPORT', { byDefault: 5432, lowest: 1, highest: 65535, unit: 'a port' });
}

/** PGCONNECT_TIMEOUT in seconds, or 10. */
export function defaultConnectTimeout(): number {
  const limits = { byDefault: 10, lowest: 1, highest: 86400 };
  return wholeNumber('PGCONNECT_TIMEOUT', { ...limits, unit: 'a number of seconds' });
}

/** The environment without libpq's and the server's variables, messages in English. */
export function withoutPostgres(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return text('USER') ?? text('USERNAME') ?? 'postgres';
  }
}
