/** Which database is used, by what is configured. */

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { setDBOSConnection } from '../../src/database/dbos.ts';
import { openDatabase } from '../../src/database/index.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { administer, databaseUrl, freshDatabase, type TestDatabase } from '../support/databases.ts';
import { ownServer } from '../support/embedded.ts';
import { withEnvironment } from '../support/environment.ts';
import { closedPort } from '../support/listeners.ts';

interface Place {
  source: string;
  name: unknown;
}

/** Who named the database that is opened, and its name. */
function chosen(variables: Record<string, string>, connectionString?: string): Promise<Place> {
  return withEnvironment(variables, async () => {
    await using database = await openDatabase(connectionString);
    const [row] = await database.query('select current_database() as name');
    return { source: database.location.source, name: row?.name };
  });
}

/** libpq's variables for a database. */
function variablesOf({ url, name }: TestDatabase): Record<string, string> {
  const { hostname, port, username, password } = new URL(url);
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: name,
  };
}

async function temporaryFile(content: string): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'timestep-'));
  const path = join(folder, 'file');
  await writeFile(path, content, { mode: 0o600 });
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test('the argument comes before the environment', async () => {
  await using one = await freshDatabase();
  await using two = await freshDatabase();
  const place = await chosen({ PG_CONNECTION_URI: two.url }, one.url);
  expect(place).toEqual({ source: 'connectionString', name: one.name });
});

test('PG_CONNECTION_URI comes before DBOS, and DBOS before PGHOST', async () => {
  await using one = await freshDatabase();
  await using two = await freshDatabase();
  await using three = await freshDatabase();
  setDBOSConnection(two.url);
  try {
    const libpq = variablesOf(three);
    expect(await chosen({ ...libpq, PG_CONNECTION_URI: one.url })).toEqual({
      source: 'PG_CONNECTION_URI',
      name: one.name,
    });
    expect(await chosen(libpq)).toEqual({ source: 'DBOS', name: two.name });
    setDBOSConnection(undefined);
    expect(await chosen(libpq)).toEqual({ source: 'PGHOST', name: three.name });
  } finally {
    setDBOSConnection(undefined);
  }
});

test('a DBOS that the application launched itself is found without loading any', async () => {
  await using database = await freshDatabase();
  const { cache } = createRequire(import.meta.url);
  const path = '/app/node_modules/@dbos-inc/dbos-sdk/dist/src/dbos-executor.js';
  const globalInstance = { config: { systemDatabaseUrl: database.url } };
  cache[path] = { exports: { DBOSExecutor: { globalInstance } } } as unknown as NodeJS.Module;
  try {
    expect(await chosen({})).toEqual({ source: 'DBOS', name: database.name });
  } finally {
    delete cache[path];
  }
});

test('an entry of the service file, which comes before the other variables', async () => {
  await using database = await freshDatabase();
  const { PGHOST, PGPORT, PGUSER, PGPASSWORD } = variablesOf(database);
  await using file = await temporaryFile(
    `# shops\n[other]\nhost=nowhere.invalid\n\n[shop]\nhost=${PGHOST}\nport=${PGPORT}\nuser=${PGUSER}\npassword=${PGPASSWORD}\ndbname=${database.name}\napplication_name=till 1\n`,
  );
  const variables = { PGSERVICEFILE: file.path, PGSERVICE: 'shop', PGPORT: '1', PGDATABASE: 'no' };
  expect(await chosen(variables)).toEqual({ source: 'PGSERVICE', name: database.name });
  const missing = chosen({ ...variables, PGSERVICE: 'bar' });
  await expect(missing).rejects.toThrow(ConfigurationError);
  await expect(missing).rejects.toThrow(`'bar'`);
});

test.each([
  ['/var/run/postgresql', 'unix socket'],
  ['one.example,two.example', 'several hosts'],
])('PGHOST=%s is refused by name', async (host, what) => {
  const opened = chosen({ PGHOST: host, PGUSER: 'ann' });
  await expect(opened).rejects.toThrow(ConfigurationError);
  await expect(opened).rejects.toThrow(what);
});

test('a password from the password file', async () => {
  await using database = await freshDatabase();
  const { PGPASSWORD, ...variables } = variablesOf(database);
  const escaped = (PGPASSWORD ?? '').replace(/[\\:]/g, '\\$&');
  await using file = await temporaryFile(
    `# mine\nelsewhere:*:*:*:wrong\n*:*:${database.name}:*:${escaped}\n`,
  );
  const place = await chosen({ ...variables, PGPASSFILE: file.path });
  expect(place).toEqual({ source: 'PGHOST', name: database.name });
});

test('a password file that others may read is not used', async () => {
  await using database = await freshDatabase();
  const { PGPASSWORD, ...variables } = variablesOf(database);
  await using file = await temporaryFile(`*:*:*:*:${PGPASSWORD}\n`);
  await chmod(file.path, 0o644);
  const warned = Promise.withResolvers<Error>();
  process.once('warning', warned.resolve);
  await expect(chosen({ ...variables, PGPASSFILE: file.path })).rejects.toThrow('none was given');
  expect(await warned.promise).toMatchObject({ code: 'TIMESTEP_PASSWORD_FILE' });
});

test('a server on localhost is used when the user may log in', async () => {
  await using database = await freshDatabase();
  const { PGHOST, ...variables } = variablesOf(database);
  expect(PGHOST).toBe('127.0.0.1');
  expect(await chosen(variables)).toEqual({ source: 'localhost', name: database.name });
});

test('on localhost the database timestep is created where it is missing', async () => {
  await using server = await ownServer();
  const { PGPORT, PGUSER, PGPASSWORD } = variablesOf({ url: server.url } as TestDatabase);
  await administer(databaseUrl(server.url, 'postgres'), 'drop database timestep with (force)');
  const variables = { PGPORT, PGUSER, PGPASSWORD } as Record<string, string>;
  expect(await chosen(variables)).toEqual({ source: 'localhost', name: 'timestep' });
});

test('settings that are no words or numbers of theirs are refused by name', async () => {
  const PGPORT = String(await closedPort());
  await expect(chosen({ PGPORT, TIMESTEP_EMBEDDED: 'perhaps' })).rejects.toThrow(
    "TIMESTEP_EMBEDDED is 'perhaps'",
  );
  await expect(chosen({ PGPORT: 'five' })).rejects.toThrow("PGPORT is 'five'");
});
