/**
 * Lets one process create or start the server while the others wait.
 *
 * It only saves work: correctness rests on rename() and on PostgreSQL's own lock file. So it may be
 * void at any time, and removing one that somebody took a moment ago does no harm.
 */

import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { codeOf } from '../failure.ts';
import { isAlive } from './postmaster.ts';

const OLDEST_MS = 60_000;

/** Does the work and returns true, or returns false when another process is at it. */
export async function withLock(base: string, work: () => Promise<void>): Promise<boolean> {
  const lock = join(base, '.lock');
  if (!(await take(lock))) return false;
  try {
    await work();
    return true;
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  const mine = `${lock}-${process.pid}-${randomUUID()}`;
  await writeFile(mine, String(process.pid));
  try {
    await link(mine, lock);
    return true;
  } catch (error) {
    // A file system without hard links: go on without the lock.
    if (codeOf(error) !== 'EEXIST') return true;
    if (await isVoid(lock)) await rm(lock, { force: true });
    return false;
  } finally {
    await rm(mine, { force: true });
  }
}

async function isVoid(lock: string): Promise<boolean> {
  try {
    const [holder, { mtimeMs }] = await Promise.all([readFile(lock, 'utf8'), stat(lock)]);
    return !isAlive(Number(holder)) || Date.now() - mtimeMs > OLDEST_MS;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
