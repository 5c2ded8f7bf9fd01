/**
 * The attachment of this process to the embedded server: one connection with a shared advisory lock.
 *
 * Who decides: PostgreSQL's locks alone. The shared lock says "somebody uses this server"; a process
 * that leaves asks for the exclusive one, and whoever gets it is the last and stops the server. A
 * killed process loses its connection and with it the lock, so there is nothing to clean up. A
 * process that meets a server on its way down waits until it is gone and starts it again.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { DatabaseUnavailableError, TimestepError } from '../../errors.ts';
import { embeddedKept } from '../../settings.ts';
import type { Address } from '../address.ts';
import { destroy, tryConnect } from '../connect.ts';
import { codeOf, describe, isDropped, TimeLimit } from '../failure.ts';
import { createDatabase } from '../localhost.ts';
import { createCluster, ROLE } from './cluster.ts';
import { type Cluster, findCluster, makeBaseFolder } from './folder.ts';
import { withLock } from './lock.ts';
import { lookAt } from './postmaster.ts';
import { startServer, stopServer } from './start.ts';

const LOCK = 7470001;
const LIMIT_MS = 60_000;
const CONNECT_MS = 10_000;
const DETACH_MS = 10_000;

export interface Presence {
  readonly base: string;
  readonly cluster: Cluster;
  readonly address: Address;
  readonly client: pg.Client;
}

/** Attaches to the server of this user, creating and starting it where that is needed. */
export async function attach(): Promise<Presence> {
  try {
    return await attachInTime();
  } catch (error) {
    const { path, message } = error as NodeJS.ErrnoException;
    if (error instanceof TimestepError || path === undefined) throw error;
    throw new DatabaseUnavailableError(
      `its folder cannot be used: ${message}; correct the rights, or choose another TIMESTEP_DATA_DIR`,
      { cause: error },
    );
  }
}

async function attachInTime(): Promise<Presence> {
  const base = await makeBaseFolder();
  const deadline = Date.now() + LIMIT_MS;
  while (Date.now() < deadline) {
    const presence = await tryAttach(base);
    if (typeof presence === 'object') return presence;
    await sleep(presence);
  }
  throw new DatabaseUnavailableError(
    `the server in ${base} could not be started or reached within ${LIMIT_MS / 1000} s; see its log folder`,
  );
}

/** Lets go of the server, and stops it when nobody else is attached. */
export async function detach(presence: Presence): Promise<void> {
  const limit = new TimeLimit(DETACH_MS);
  try {
    await Promise.race([leave(presence), limit.passed]);
  } catch (error) {
    // A server that does not answer must not keep a process from ending.
    destroy(presence.client);
    throw error;
  } finally {
    limit.cancel();
  }
}

async function leave({ base, cluster, client }: Presence): Promise<void> {
  try {
    await client.query('select pg_advisory_unlock_shared($1)', [LOCK]);
    if (embeddedKept()) return;
    if ((await isLast(client)) && !(await isKept(client))) await stopServer(base, cluster);
  } catch (error) {
    // The server is gone already: there is nothing to let go of.
    if (!isDropped(error)) throw error;
  } finally {
    await client.end();
  }
}

/** The presence, or after how many milliseconds to look again. */
async function tryAttach(base: string): Promise<Presence | number> {
  const cluster = findCluster(base);
  const sighting = cluster && lookAt(cluster.data);
  if (!cluster || sighting?.state !== 'running') return (await bringUp(base)) ? 0 : 50;
  const { ready, port } = sighting.postmaster;
  if (!ready) return 20;
  const address = addressOf(cluster, port);
  const client = await connectTo(address, cluster);
  if (!client) return 20;
  return (await isAdmitted(client)) ? { base, cluster, address, client } : 20;
}

/** One step towards a running server; false when another process is at it. */
async function bringUp(base: string): Promise<boolean> {
  return withLock(base, async () => {
    // Others may have been faster between our look and the lock.
    const cluster = findCluster(base);
    await (cluster ? startServer(base, cluster) : createCluster(base));
  });
}

function addressOf(cluster: Cluster, port: number): Address {
  return {
    user: ROLE,
    password: readFileSync(cluster.password, 'utf8').trim(),
    host: '127.0.0.1',
    port,
    database: 'timestep',
    parameters: new Map([['sslmode', 'disable']]),
    timeoutMs: CONNECT_MS,
  };
}

/** A connection; undefined when the server is on its way up or down. */
async function connectTo(address: Address, cluster: Cluster): Promise<pg.Client | undefined> {
  try {
    return (await tryConnect(address, CONNECT_MS)).client;
  } catch (error) {
    if (codeOf(error) === '3D000') return createFirst(address);
    if (isDropped(error)) return undefined;
    throw new DatabaseUnavailableError(
      `the server in ${cluster.folder} runs and cannot be used: ${describe(error, address, CONNECT_MS)}`,
      { cause: error },
    );
  }
}

async function createFirst(address: Address): Promise<undefined> {
  try {
    await createDatabase(address, CONNECT_MS);
  } catch (error) {
    if (!isDropped(error)) throw error;
  }
}

/** Takes the shared lock; false when the last user is about to stop the server. */
async function isAdmitted(client: pg.Client): Promise<boolean> {
  try {
    const { rows } = await client.query('select pg_try_advisory_lock_shared($1) as admitted', [
      LOCK,
    ]);
    if (rows[0].admitted) return true;
  } catch (error) {
    if (!isDropped(error)) throw error;
  }
  await client.end();
  return false;
}

async function isLast(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query('select pg_try_advisory_lock($1) as last', [LOCK]);
  return rows[0].last;
}

/** `timestep db start` notes in the database that the server shall stay up. */
async function isKept(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `select exists (
       select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
       where d.datname = current_database() and 'timestep.keep=on' = any (s.setconfig)
     ) as kept`,
  );
  return rows[0].kept;
}
