/** Starts and stops the server. It outlives the process that starts it. */

import { appendFile, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseUnavailableError } from '../../errors.ts';
import { codeOf } from '../failure.ts';
import { type Account, give, runAs, serverAccount } from './account.ts';
import { findBinaries, program } from './binaries.ts';
import { freePort } from './cluster.ts';
import type { Cluster } from './folder.ts';
import { lookAt, removeForeign } from './postmaster.ts';

const START_S = 60;

/**
 * Starts the server. Returns as well when another process won the race for it, and when the old
 * server's processes are not all gone yet: the caller looks again.
 */
export async function startServer(base: string, cluster: Cluster): Promise<void> {
  const account = await serverAccount();
  const binaries = await findBinaries(base, { cluster, account });
  const sighting = lookAt(cluster.data);
  if (sighting.state === 'running') return;
  if (sighting.state === 'foreign' && !removeForeign(cluster.data, sighting.content)) return;
  await appendFile(cluster.startLog, '');
  await give(cluster.startLog, account);
  const before = (await readFile(cluster.startLog, 'utf8')).length;
  try {
    await runAs(account, program(binaries, 'pg_ctl'), await startArguments(cluster), {
      timeoutMs: (START_S + 10) * 1000,
    });
  } catch (error) {
    const said = (await readFile(cluster.startLog, 'utf8')).slice(before);
    if (lookAt(cluster.data).state === 'running' || /still in use/.test(said)) return;
    throw failed(error, said, { cluster, account });
  }
}

/** Tells the server to end its connections, write everything down and stop. */
export async function stopServer(base: string, cluster: Cluster): Promise<void> {
  const sighting = lookAt(cluster.data);
  if (sighting.state !== 'running') return;
  if (process.platform !== 'win32') {
    interrupt(sighting.postmaster.pid);
    return;
  }
  const binaries = await findBinaries(base, { cluster, account: undefined });
  const args = ['stop', '-W', '-m', 'fast', '-D', cluster.data];
  await runAs(undefined, program(binaries, 'pg_ctl'), args);
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    // It has ended since we looked.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

async function startArguments(cluster: Cluster): Promise<string[]> {
  const options = `-p ${await portFor(cluster)}`;
  const { data, startLog } = cluster;
  return ['start', '-w', '-t', String(START_S), '-D', data, '-l', startLog, '-o', options];
}

/** The port in the cluster's settings, or another one when somebody has taken it. */
async function portFor({ data }: Cluster): Promise<number> {
  const settings = await readFile(join(data, 'postgresql.conf'), 'utf8');
  const port = Number([...settings.matchAll(/^port = (\d+)/gm)].at(-1)?.[1] ?? 0);
  return port > 0 && (await isFree(port)) ? port : freePort();
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer().once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}

function failed(
  error: unknown,
  said: string,
  { cluster, account }: { cluster: Cluster; account: Account | undefined },
): DatabaseUnavailableError {
  const stderr = String((error as { stderr?: string }).stderr ?? '').trim();
  const reason = said.trim() || stderr || String(error);
  return new DatabaseUnavailableError(
    `PostgreSQL ${cluster.major} did not start in ${cluster.data} as ${account?.name ?? 'this user'}: ${reason} (more in ${cluster.data}/log)`,
    { cause: error },
  );
}
