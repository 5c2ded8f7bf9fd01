/**
 * Brings the schema `timestep` up to date, once, however many processes start together.
 *
 * The fast path reads the newest version and takes no lock. Otherwise one process at a time works,
 * inside one transaction: a process that is killed leaves nothing half done, and its lock dies with
 * its connection. The waiters poll, so that none of them holds a snapshot or a transaction open.
 */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { ConfigurationError, DatabaseTooNewError, DatabaseUnavailableError } from '../errors.ts';
import { codeOf } from './failure.ts';
import { SCHEMA } from './schema.ts';

const LOCK = 7470003;
const POLL_MS = 50;
const WAIT_MS = 60_000;

/** One numbered file of spec/schema. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sha256: string;
  readonly breaking: boolean;
  readonly sql: string;
}

interface Applied {
  readonly version: number;
  readonly sha256: string;
  readonly breaking: boolean;
}

const BOOKKEEPING = `
  create schema if not exists timestep;
  create table if not exists timestep.migrations (
    version integer primary key,
    name text not null,
    sha256 text not null,
    breaking boolean not null,
    applied_at timestamptz not null default now()
  )`;

type Connection = Pick<pg.ClientBase, 'query'>;

/** Every migration this Timestep knows, oldest first. */
export const MIGRATIONS: readonly Migration[] = SCHEMA.map(({ file, sql }) => ({
  version: Number.parseInt(file, 10),
  name: file.replace(/^\d+_|\.sql$/g, ''),
  sha256: createHash('sha256').update(sql).digest('hex'),
  breaking: sql.startsWith('-- breaking'),
  sql,
}));

/** Applies what is missing. `place` names the database in messages. */
export async function migrate(
  connection: Connection,
  place: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  try {
    const missing = await missingFrom(connection, place, migrations);
    if (missing.length > 0) await applyOnce(connection, place, migrations);
  } catch (error) {
    // 42501: insufficient privilege; 25006: read only, as a replica is.
    if (!['42501', '25006'].includes(codeOf(error) ?? '')) throw error;
    throw new DatabaseUnavailableError(
      `${place} denies this user what the schema needs: ${(error as Error).message}. Grant the right to create schemas in the database, or migrate once as its owner.`,
      { cause: error },
    );
  }
}

async function applyOnce(connection: Connection, place: string, migrations: readonly Migration[]) {
  const deadline = Date.now() + WAIT_MS;
  while (!(await tryApply(connection, place, migrations))) {
    if (Date.now() > deadline)
      throw new DatabaseUnavailableError(
        `${place} has been migrated by another process for ${WAIT_MS / 1000} s; see in pg_stat_activity whether it is stuck, then try again.`,
      );
    await sleep(POLL_MS);
  }
}

/** False when another process is at it. */
async function tryApply(connection: Connection, place: string, migrations: readonly Migration[]) {
  await connection.query('begin');
  try {
    const lock = await connection.query('select pg_try_advisory_xact_lock($1) as mine', [LOCK]);
    const mine: boolean = lock.rows[0].mine;
    if (mine) await applyMissing(connection, place, migrations);
    await connection.query('commit');
    return mine;
  } catch (error) {
    await connection.query('rollback').catch(() => {
      // The connection is gone, and the transaction with it: the first error says why.
    });
    throw error;
  }
}

async function applyMissing(
  connection: Connection,
  place: string,
  migrations: readonly Migration[],
) {
  await connection.query(BOOKKEEPING);
  for (const migration of await missingFrom(connection, place, migrations)) {
    const { version, name, sha256, breaking, sql } = migration;
    await connection.query(sql);
    await connection.query(
      'insert into timestep.migrations (version, name, sha256, breaking) values ($1, $2, $3, $4)',
      [version, name, sha256, breaking],
    );
  }
}

/** What the database lacks; raises when its schema is not one that we can work with. */
async function missingFrom(
  connection: Connection,
  place: string,
  migrations: readonly Migration[],
): Promise<readonly Migration[]> {
  const applied = await readApplied(connection);
  refuseNewer(applied, place, migrations.at(-1)?.version ?? 0);
  return migrations.filter((migration) => {
    const row = applied.find(({ version }) => version === migration.version);
    if (row) refuseEdited(row, place, migration);
    return !row;
  });
}

async function readApplied(connection: Connection): Promise<Applied[]> {
  const table = await connection.query(
    `select to_regclass('timestep.migrations') is not null as present`,
  );
  if (!table.rows[0].present) return [];
  const applied = await connection.query(
    'select version, sha256, breaking from timestep.migrations order by version',
  );
  return applied.rows;
}

function refuseNewer(applied: Applied[], place: string, known: number): void {
  const breaking = applied.findLast((row) => row.breaking && row.version > known);
  if (!breaking) return;
  throw new DatabaseTooNewError(
    `${place} is at schema version ${applied.at(-1)?.version}, and its version ${breaking.version} cannot be used by this Timestep, which knows versions up to ${known}. Update timestep, or use another database.`,
  );
}

function refuseEdited(row: Applied, place: string, { version, name, sha256 }: Migration): void {
  if (row.sha256 === sha256) return;
  throw new ConfigurationError(
    `${place} was migrated with another text of migration ${version} (${name}) than this Timestep holds: a build that was never released. Use the build that made the database, or another database.`,
  );
}
