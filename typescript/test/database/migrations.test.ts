import pg from 'pg';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/index.ts';
import { MIGRATIONS, type Migration, migrate } from '../../src/database/migrate.ts';
import { ConfigurationError, DatabaseTooNewError } from '../../src/errors.ts';
import {
  administer,
  emptyDatabase,
  freshDatabase,
  type TestDatabase,
} from '../support/databases.ts';

interface Applied {
  version: number;
  name: string;
}

const NEWEST = MIGRATIONS.at(-1)?.version ?? 0;

function made(version: number, sql: string, breaking = false): Migration {
  return { version, name: `step_${version}`, sha256: String(version), breaking, sql };
}

async function onConnection<Result>(
  database: TestDatabase,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function applied(database: TestDatabase): Promise<Applied[]> {
  return administer(database.url, 'select version, name from timestep.migrations order by version');
}

/** What a Timestep of the future would have noted. */
function fromTheFuture(database: TestDatabase, breaking: boolean): Promise<object[]> {
  return administer(
    database.url,
    `insert into timestep.migrations (version, name, sha256, breaking)
     values (9999, 'future', '', ${breaking})`,
  );
}

test('the first to open an empty database brings the whole schema', async () => {
  await using empty = await emptyDatabase();
  await using database = await openDatabase(empty.url);
  expect(await applied(empty)).toEqual(MIGRATIONS.map(({ version, name }) => ({ version, name })));
  expect(await database.query('select * from timestep.sessions')).toEqual([]);
});

test('twenty at once apply each migration once', async () => {
  await using empty = await emptyDatabase();
  const first = made(1, 'create table timestep.first (at timestamptz); select pg_sleep(0.2)');
  const second = made(2, 'alter table timestep.first add column more text');
  const attempts = Array.from({ length: 20 }, () =>
    onConnection(empty, (client) => migrate(client, 'here', [first, second])),
  );
  await Promise.all(attempts);
  expect(await applied(empty)).toEqual([
    { version: 1, name: 'step_1' },
    { version: 2, name: 'step_2' },
  ]);
});

test('only what is missing is applied', async () => {
  await using empty = await emptyDatabase();
  const steps = [1, 2, 3].map((version) => made(version, `create table timestep.t${version} ()`));
  await onConnection(empty, async (client) => {
    await migrate(client, 'here', steps.slice(0, 1));
    await migrate(client, 'here', steps);
  });
  expect(await applied(empty)).toHaveLength(3);
});

test('a migration that fails leaves nothing behind, and the next attempt starts anew', async () => {
  await using empty = await emptyDatabase();
  const good = made(1, 'create table timestep.good ()');
  const bad = made(2, 'create table timestep.bad (); select 1/0');
  await onConnection(empty, async (client) => {
    await expect(migrate(client, 'here', [good, bad])).rejects.toThrow('division by zero');
    const { rows } = await client.query(`select to_regclass('timestep.good') as found`);
    expect(rows).toEqual([{ found: null }]);
    await migrate(client, 'here', [good]);
  });
  expect(await applied(empty)).toHaveLength(1);
});

test('a database that is newer is fine', async () => {
  await using fresh = await freshDatabase();
  await fromTheFuture(fresh, false);
  await using database = await openDatabase(fresh.url);
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('a database that is newer by a breaking change is refused with both versions', async () => {
  await using fresh = await freshDatabase();
  await fromTheFuture(fresh, true);
  const opened = openDatabase(fresh.url);
  await expect(opened).rejects.toThrow(DatabaseTooNewError);
  await expect(opened).rejects.toThrow(new RegExp(`9999.*up to ${NEWEST}`));
});

test('a database with another text of a migration is refused', async () => {
  await using fresh = await freshDatabase();
  await administer(fresh.url, `update timestep.migrations set sha256 = 'other' where version = 1`);
  await expect(openDatabase(fresh.url)).rejects.toThrow(ConfigurationError);
});
