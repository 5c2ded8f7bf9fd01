/** Makes the cluster: in a folder of another name first, so that nobody ever sees half of one. */

import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { ConfigurationError, DatabaseUnavailableError } from '../../errors.ts';
import { isRoot } from '../../settings.ts';
import { codeOf } from '../failure.ts';
import { type Account, barrier, give, runAs, serverAccount } from './account.ts';
import { type Binaries, findBinaries, program } from './binaries.ts';
import { type Cluster, clusterIn } from './folder.ts';

export const ROLE = 'timestep';
const INITDB_MS = 120_000;
const LEFT_OVER_MS = 600_000;

/** Creates the user's cluster, unless another process has renamed its own into place first. */
export async function createCluster(base: string): Promise<void> {
  const account = await serverAccount();
  await checkWay(base, account);
  const binaries = await findBinaries(base, { cluster: undefined, account });
  await removeLeftOvers(base);
  const making = join(base, `.init-${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await fill(clusterIn(making, binaries.major), binaries, account);
    await rename(making, join(base, String(binaries.major)));
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** PostgreSQL cannot run in a folder that its user cannot come to, and says so in riddles. */
async function checkWay(base: string, account: Account | undefined): Promise<void> {
  const closed = await barrier(base, account);
  if (!closed) return;
  throw new ConfigurationError(
    `The folder ${base} is within ${closed}, which user ${account?.name} may not enter; PostgreSQL runs as that user because root may not run it. Set TIMESTEP_DATA_DIR to a folder that every user may enter.`,
  );
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number };
    server.close(() => resolve(port));
  });
  return promise;
}

async function fill(cluster: Cluster, binaries: Binaries, account: Account | undefined) {
  const password = randomBytes(24).toString('hex');
  const given = join(cluster.folder, 'given');
  await mkdir(cluster.folder);
  await chmod(cluster.folder, isRoot() ? 0o755 : 0o700);
  await writeFile(cluster.password, password, { mode: 0o600 });
  await writeFile(given, password, { mode: 0o600 });
  await mkdir(cluster.data, { mode: 0o700 });
  await give(given, account);
  await give(cluster.data, account);
  await initialize(cluster, binaries, { given, account });
  await rm(given);
  await appendFile(join(cluster.data, 'postgresql.conf'), await settings());
}

async function initialize(
  { data }: Cluster,
  binaries: Binaries,
  { given, account }: { given: string; account: Account | undefined },
): Promise<void> {
  const login = ['-U', ROLE, '-A', 'scram-sha-256', '--pwfile', given];
  const args = ['-D', data, ...login, '-E', 'UTF8', '--locale=C'];
  try {
    await runAs(account, program(binaries, 'initdb'), args, { timeoutMs: INITDB_MS });
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr || error).trim();
    throw new DatabaseUnavailableError(
      `initdb of PostgreSQL ${binaries.version}, run as ${account?.name ?? 'this user'}, failed in ${data}: ${said}`,
      { cause: error },
    );
  }
}

async function settings(): Promise<string> {
  return `
# Written by Timestep.
listen_addresses = '127.0.0.1'
port = ${await freePort()}
unix_socket_directories = ''
max_connections = 200
logging_collector = on
log_filename = 'postgres-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
`;
}

/** What processes left that were killed while they made a cluster. */
async function removeLeftOvers(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    if (!name.startsWith('.init-')) continue;
    const folder = join(base, name);
    const age = Date.now() - (await stat(folder)).mtimeMs;
    if (age > LEFT_OVER_MS) await rm(folder, { recursive: true, force: true });
  }
}
