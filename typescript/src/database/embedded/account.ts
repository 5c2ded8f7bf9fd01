/** Whom PostgreSQL runs as: it refuses root, so that root needs somebody to run it as. */

import { execFile } from 'node:child_process';
import type { Stats } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { DatabaseUnavailableError } from '../../errors.ts';
import { isRoot, withoutPostgres } from '../../settings.ts';

const run = promisify(execFile);

/** User and group, as numbers; undefined stands for the user of this process. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number };

/** `postgres`, or `nobody` where there is none, when this process is root's. */
export async function serverAccount(): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  const account = (await lookUp('postgres')) ?? (await lookUp('nobody'));
  if (account) return account;
  throw new DatabaseUnavailableError(
    'PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; create one, or run as another user',
  );
}

/** The folder on the way to a path that the server's user may not enter, if there is one. */
export async function barrier(
  path: string,
  account: Account | undefined,
): Promise<string | undefined> {
  if (!account) return undefined;
  const above = dirname(path);
  const closed = above === path ? undefined : await barrier(above, account);
  return closed ?? (mayEnter(await stat(path), account) ? undefined : path);
}

function mayEnter({ mode, uid, gid }: Stats, account: Account): boolean {
  if (uid === account.uid) return (mode & 0o100) !== 0;
  return (mode & (gid === account.gid ? 0o010 : 0o001)) !== 0;
}

/** Gives a file or folder to the server's user. */
export async function give(path: string, account: Account | undefined): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}

/** Runs a program of PostgreSQL as the server's user; its output is text. */
export async function runAs(
  account: Account | undefined,
  program: string,
  args: readonly string[],
  options: { timeoutMs?: number } = {},
): Promise<{ stdout: string; stderr: string }> {
  return run(program, args, {
    // A folder that every user may be in: initdb and pg_ctl look at theirs.
    cwd: process.platform === 'win32' ? undefined : '/',
    env: withoutPostgres(),
    timeout: options.timeoutMs,
    windowsHide: true,
    ...(account && { uid: account.uid, gid: account.gid }),
  });
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, name])));
    return { name, uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  } catch {
    // id fails when there is no such user.
    return undefined;
  }
}
