/** Where the embedded server keeps its things; the layout is spec/embedded-server.md. */

import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { dataFolder, isRoot } from '../../settings.ts';

/** One cluster and what lies beside its data. */
export interface Cluster {
  readonly folder: string;
  readonly major: number;
  readonly data: string;
  readonly password: string;
  readonly startLog: string;
}

export function baseFolder(): string {
  return join(dataFolder(), 'postgres');
}

/** The base folder, made if it is missing. The server's user must be able to pass root's folders. */
export async function makeBaseFolder(): Promise<string> {
  for (const folder of [dataFolder(), baseFolder()]) {
    const mode = isRoot() ? 0o755 : 0o700;
    // What mkdir makes depends on the umask.
    if (await mkdir(folder, { recursive: true })) await chmod(folder, mode);
  }
  return baseFolder();
}

/** The cluster of this user; the highest major version counts. */
export function findCluster(base: string): Cluster | undefined {
  if (!existsSync(base)) return undefined;
  const majors = readdirSync(base).filter((name) => /^\d+$/.test(name));
  const newest = majors.map(Number).sort((a, b) => b - a)[0];
  return newest === undefined ? undefined : clusterIn(join(base, String(newest)), newest);
}

export function clusterIn(folder: string, major: number): Cluster {
  return {
    folder,
    major,
    data: join(folder, 'data'),
    password: join(folder, 'password'),
    startLog: join(folder, 'start.log'),
  };
}

/** A path as people write it, with ~ for their home. */
export function shownPath(path: string): string {
  const home = homedir();
  return home !== '/' && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
