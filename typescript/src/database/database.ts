/** The database that sessions and run states lie in: one pool per process and URL. */

import type { DatabaseLocation } from './location.ts';
import { DatabasePool } from './pool.ts';
import { chooseServer } from './resolve.ts';

/** An open database. It holds a place in a pool that all users of the same database share. */
export interface Database extends AsyncDisposable {
  /** Which database this is. */
  readonly location: DatabaseLocation;
  /**
   * Runs one statement and returns its rows; bigint columns arrive as `number`, or as `bigint`
   * beyond 2^53.
   *
   * @param text SQL with `$1`, `$2`, … for the values.
   * @param options.repeatable Sending the statement twice does no harm: it is sent again once when
   *   the connection is lost (false).
   * @throws DatabaseUnavailableError when the connection is lost or cannot be made.
   */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options?: { repeatable?: boolean },
  ): Promise<Row[]>;
  /** Gives the place back; with the last one the connections close. Closing twice is harmless. */
  close(): Promise<void>;
}

interface Shared {
  readonly pool: Promise<DatabasePool>;
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * Opens the database: finds it, connects, and brings its schema up to date. Cheap when this process
 * has it open already.
 *
 * @param connectionString A PostgreSQL URL. When it is missing: `PG_CONNECTION_URI`, the database
 *   that DBOS was configured with, libpq's variables, `localhost:5432`, the embedded server.
 * @throws ConfigurationError when a URL or variable cannot be used as it is.
 * @throws DatabaseUnavailableError when there is no PostgreSQL, or it refuses or does not answer.
 * @throws DatabaseTooNewError when a newer Timestep changed the schema beyond what this one knows.
 */
export async function openDatabase(connectionString?: string): Promise<Database> {
  const choice = chooseServer(connectionString);
  const entry = shared.get(choice.key) ?? share(choice.key, choice.open().then(DatabasePool.open));
  entry.users += 1;
  const leave = () => release(choice.key, entry);
  try {
    return handle(await entry.pool, leave);
  } catch (error) {
    forget(choice.key, entry);
    throw error;
  }
}

function share(key: string, pool: Promise<DatabasePool>): Shared {
  const entry = { pool, users: 0 };
  shared.set(key, entry);
  return entry;
}

function handle(pool: DatabasePool, leave: () => Promise<void>): Database {
  let leaving: Promise<void> | undefined;
  const close = () => {
    leaving ??= leave();
    return leaving;
  };
  return {
    get location() {
      return pool.location;
    },
    query: async <Row extends object>(
      text: string,
      values: readonly unknown[] = [],
      { repeatable = false } = {},
    ) => {
      if (leaving) throw new Error('The database was closed; open it again with openDatabase().');
      return (await pool.run(text, values, repeatable)) as Row[];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function release(key: string, entry: Shared): Promise<void> {
  entry.users -= 1;
  if (entry.users > 0) return;
  forget(key, entry);
  await (await entry.pool).close();
}

function forget(key: string, entry: Shared): void {
  if (shared.get(key) === entry) shared.delete(key);
}
