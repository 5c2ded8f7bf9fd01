/** What PostgreSQL itself says of a running server, in the file postmaster.pid of its data. */

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  linkSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { codeOf } from '../failure.ts';

/** A server that runs, is starting or is stopping. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** What the file says: a live server, a dead one's rest, or a number that is somebody else's now. */
export type Sighting =
  | { state: 'running'; postmaster: Postmaster }
  | { state: 'absent' }
  | { state: 'foreign'; content: string };

/** Looks at the server of a data folder. */
export function lookAt(data: string): Sighting {
  const content = readIfThere(join(data, 'postmaster.pid'));
  if (content === undefined) return { state: 'absent' };
  const lines = content.split('\n');
  const pid = Number(lines[0]);
  if (!isAlive(pid)) return { state: 'absent' };
  if (!isPostmasterOf(pid, data)) return { state: 'foreign', content };
  const ready = lines[7]?.trim() === 'ready';
  return { state: 'running', postmaster: { pid, port: Number(lines[3]), ready } };
}

/** Whether a process of this number exists. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Removes a file that names a process of somebody else, which keeps PostgreSQL from starting.
 * False while a process of the old server is left: its shared memory is in use.
 */
export function removeForeign(data: string, content: string): boolean {
  if (isInUse(data)) return false;
  const file = join(data, 'postmaster.pid');
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
    // Somebody may have started the server since we looked: then its file goes back.
    if (readFileSync(aside, 'utf8') !== content) linkSync(aside, file);
    rmSync(aside);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  return true;
}

function isPostmasterOf(pid: number, data: string): boolean {
  const command = commandOf(pid);
  // Asking failed: the file's word stands, as it does for PostgreSQL.
  if (command === undefined) return true;
  if (!/^(postgres|postmaster)(\.exe)?$/.test(basename(command[0] ?? ''))) return false;
  const folder = command[command.indexOf('-D') + 1];
  return !command.includes('-D') || folder === undefined || isSame(folder, data);
}

function commandOf(pid: number): string[] | undefined {
  if (process.platform === 'linux') return readIfThere(`/proc/${pid}/cmdline`)?.split('\0');
  if (process.platform === 'win32') return undefined;
  try {
    const args = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    // Folders with blanks cannot be told apart here: the program's name has to do.
    return [args.trim().split(' -')[0] ?? ''];
  } catch {
    // It ended meanwhile: the next look says so.
    return undefined;
  }
}

/** Every process of a server works in its data folder. */
function isInUse(data: string): boolean {
  if (process.platform !== 'linux') return false;
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return processes.some((pid) => linkTarget(`/proc/${pid}/cwd`) === realpathSync(data));
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Ended, a zombie, or another user's.
    return undefined;
  }
}

function isSame(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return one === other;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}
