/** Starting and ending DBOS, and this process's life as an executor of durable runs. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { parseAddress } from '../database/address.ts';
import type { Connected } from '../database/connect.ts';
import { type Database, openDatabase } from '../database/index.ts';
import { locate, namedServer } from '../database/server.ts';
import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { info } from '../logger.ts';
import { text } from '../settings.ts';
import {
  type Configuration,
  configuration,
  forgetConfiguration,
  newExecutorId,
} from './configuration.ts';
import { dbosLogger } from './dbosLogger.ts';
import { registerQueues } from './dbosQueue.ts';
import { outside } from './outside.ts';
import { Process, useProcess } from './process.ts';
import { install } from './recordingRunner.ts';
import { Heart } from './recovery.ts';
import './tick.ts'; // registers its workflow, which DBOS allows before a launch only

const MIGRATION_LOCK = 7470002;
const LOCK_POLL_MS = 100;
const LOCK_WAIT_MS = 120_000;
const DRAIN_MS = 5_000;

/** A launched DBOS, and who this process is in it. */
export interface Launched {
  readonly process: Process;
  readonly heart: Heart;
  /** The database of DBOS. */
  readonly systemDatabaseUrl: string;
}

let launching: Promise<Launched> | undefined;
let ending: Promise<void> = Promise.resolve();

/**
 * Start executing durable runs in this process.
 *
 * The first call brings the schemas up to date, starts DBOS and this process's heartbeat, and lets it
 * take over runs of processes that died. Further calls do nothing. It need not be awaited: what
 * follows waits for it. From then on the process stays until {@link cleanupDBOS} or `process.exit()`.
 *
 * @throws ConfigurationError when a setting cannot be used, or DBOS was launched by somebody else.
 * @throws DatabaseUnavailableError when there is no PostgreSQL.
 */
export async function ensureDBOSLaunched(): Promise<void> {
  await launched();
}

/** The launched DBOS of this process, launched if need be. */
export function launched(): Promise<Launched> {
  launching ??= begin(configuration());
  return launching;
}

/**
 * Stop executing durable runs in this process.
 *
 * Runs that are under way here are left to be taken over, by another process or by this one after
 * another launch. Then `configureDBOS` may be called anew. Without a launch this does nothing but that.
 */
export function cleanupDBOS(): Promise<void> {
  const here = launching;
  launching = undefined;
  ending = ending.then(() => end(here));
  return ending;
}

async function begin(configured: Configuration): Promise<Launched> {
  try {
    await ending;
    return await outside(() => launch(configured));
  } catch (error) {
    launching = undefined; // the next call tries again
    throw error;
  }
}

async function end(here: Promise<Launched> | undefined): Promise<void> {
  const found = await here?.catch(() => undefined); // who launched has the error
  forgetConfiguration();
  if (found) await shutDown(found.process, found.heart);
}

async function shutDown(process: Process, heart: Heart): Promise<void> {
  await heart.stop();
  // what was stopped just now may end in peace
  await outside(() => DBOS.shutdown({ workflowCompletionTimeoutMS: DRAIN_MS }));
  useProcess(undefined);
  await process.writer.idle();
  await process.database.close();
}

async function launch(configured: Configuration): Promise<Launched> {
  refuseForeignDBOS();
  const database = await openDatabase();
  const process = processOf(configured, database);
  const heart = new Heart(process);
  try {
    // all of it is there before DBOS hands out the first run
    useProcess(process);
    install();
    await heart.start();
    const url = configured.systemDatabaseUrl ?? database.location.url;
    const systemDatabaseUrl = await alone(url, (settled) => launchDBOS(process, settled));
    await registerQueues(configured);
    await heart.lookAfterOthers();
    info('durable runs: executor %s of %s', process.executorId, configured.application);
    return { process, heart, systemDatabaseUrl };
  } catch (error) {
    await shutDown(process, heart);
    throw error;
  }
}

function processOf(configured: Configuration, database: Database): Process {
  const executorId = configured.executorId ?? text('DBOS__VMID') ?? newExecutorId();
  return new Process({ configuration: configured, database, instance: randomUUID(), executorId });
}

function refuseForeignDBOS(): void {
  if (!DBOS.isInitialized()) return;
  throw new ConfigurationError(
    'DBOS was launched in this process by somebody else. Let configureDBOS() set it up: further ' +
      'fields of its configuration may be passed as dbosOptions.',
  );
}

async function launchDBOS(
  { configuration: { application, applicationVersion, dbosOptions }, executorId }: Process,
  systemDatabaseUrl: string,
): Promise<string> {
  DBOS.setConfig({
    name: application,
    systemDatabaseUrl,
    applicationVersion,
    executorID: executorId,
    systemDatabasePoolSize: 8,
    // DBOS would set it by a statement that runs into the first one of each connection
    systemDatabaseIdleTransactionTimeoutMs: 0,
    logger: dbosLogger,
    schedulerPollingIntervalMs: 5000,
    ...dbosOptions,
  });
  await DBOS.launch();
  return systemDatabaseUrl;
}

/**
 * Does the work under the lock of DBOS's migrations; it is given the address as drivers read it.
 *
 * The lock is polled for: a session that waits in pg_advisory_lock() holds a snapshot, for which the
 * CREATE INDEX CONCURRENTLY of the one that migrates would wait in turn.
 */
async function alone<T>(url: string, work: (settled: string) => Promise<T>): Promise<T> {
  const server = namedServer(parseAddress(url), 'systemDatabaseUrl');
  const { client, route } = await server.connect();
  try {
    const deadline = performance.now() + LOCK_WAIT_MS;
    while (!(await isLocked(client))) {
      if (performance.now() > deadline) throw stuck();
      await sleep(LOCK_POLL_MS);
    }
    return await work(locate(route, server, '').url);
  } finally {
    await client.end();
  }
}

async function isLocked(client: Connected['client']): Promise<boolean> {
  const { rows } = await client.query('select pg_try_advisory_lock($1) as mine', [MIGRATION_LOCK]);
  return rows[0].mine;
}

function stuck(): DatabaseUnavailableError {
  return new DatabaseUnavailableError(
    `Another process has been migrating the schema of DBOS for ${LOCK_WAIT_MS / 1000} seconds ` +
      `(advisory lock ${MIGRATION_LOCK}). Look for it in pg_locks.`,
  );
}
