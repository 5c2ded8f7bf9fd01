import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../src/database/index.ts';
import { DatabaseUnavailableError } from '../../src/errors.ts';
import { administer, databaseUrl, freshDatabase } from '../support/databases.ts';
import { startNode } from '../support/processes.ts';

const READ_ONCE = fileURLToPath(new URL('./programs/readOnce.ts', import.meta.url));

function connectionsTo(name: string): Promise<{ pid: number }[]> {
  return administer(
    inject('serverUrl'),
    `select pid from pg_stat_activity where datname = '${name}' and backend_type = 'client backend'`,
  );
}

/** Cuts all connections, as a restart of the server does. */
function cutConnections(name: string): Promise<object[]> {
  return administer(
    inject('serverUrl'),
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  );
}

test('bigint columns are numbers where that is exact', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  const rows = await database.query(
    'select $1::bigint as small, $2::bigint as large, $3::text as words',
    [9007199254740991n, -9223372036854775808n, 'ä\u{1f600}'],
  );
  expect(rows).toEqual([
    { small: 9007199254740991, large: -9223372036854775808n, words: 'ä\u{1f600}' },
  ]);
});

test('the location shows version and place, and never the password', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  const { hostname, port, password } = new URL(fresh.url);
  expect(database.location.display).toMatch(/^PostgreSQL \d+\.\d+ at .+ \(connectionString\)$/);
  expect(database.location.display).toContain(`${hostname}:${port}/${fresh.name}`);
  expect(database.location.display).not.toContain(password);
  expect(database.location.source).toBe('connectionString');
});

test('all users of a database share one pool, which the last one closes', async () => {
  await using fresh = await freshDatabase();
  const [one, two] = await Promise.all([openDatabase(fresh.url), openDatabase(fresh.url)]);
  await Promise.all(Array.from({ length: 50 }, () => one.query('select pg_sleep(0.01)')));
  expect((await connectionsTo(fresh.name)).length).toBeLessThanOrEqual(10);
  await one.close();
  await one.close();
  expect(await two.query('select 1 as one')).toEqual([{ one: 1 }]);
  await two.close();
  expect(await connectionsTo(fresh.name)).toEqual([]);
  await expect(two.query('select 1')).rejects.toThrow('closed');
});

test('statements come back after the server cut every connection', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  await Promise.all(Array.from({ length: 10 }, () => database.query('select pg_sleep(0.05)')));
  await cutConnections(fresh.name);
  const options = { repeatable: true };
  const answers = Array.from({ length: 20 }, () => database.query('select 1 as one', [], options));
  expect(await Promise.all(answers)).toEqual(Array(20).fill([{ one: 1 }]));
});

test('a repeatable statement whose connection is lost on the way is sent again', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  const answer = database.query('select pg_sleep(0.3), 1 as one', [], { repeatable: true });
  await database.query('select pg_sleep(0.1)');
  await cutConnections(fresh.name);
  expect(await answer).toMatchObject([{ one: 1 }]);
});

test('a statement that must not be repeated tells that its fate is unknown', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  const answer = database.query('select pg_sleep(5)').catch((error: unknown) => error);
  await database.query('select pg_sleep(0.1)');
  await cutConnections(fresh.name);
  const error = await answer;
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect((error as Error).message).toContain('may or may not have taken effect');
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('what the server says about a statement passes through as it is', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase(fresh.url);
  await expect(database.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
});

test('a failed opening is not remembered', async () => {
  await using fresh = await freshDatabase();
  const url = databaseUrl(fresh.url, `${fresh.name}_later`);
  await expect(openDatabase(url)).rejects.toThrow('createdb');
  await administer(fresh.url, `create database ${fresh.name}_later`);
  const database = await openDatabase(url);
  await database.close();
});

test('an open database does not keep a process from ending', async () => {
  await using fresh = await freshDatabase();
  const { ended } = startNode(READ_ONCE, [], { PG_CONNECTION_URI: fresh.url });
  const { stdout, ...end } = await ended;
  expect(end).toMatchObject({ code: 0, stderr: '' });
  const [one, elapsedMs] = stdout.split(' ').map(Number);
  expect(one).toBe(1);
  // An idle connection would be closed after 10 seconds, and only then let the process end.
  expect(elapsedMs).toBeLessThan(5000);
});
