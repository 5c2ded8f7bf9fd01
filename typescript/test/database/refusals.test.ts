/** Whatever is wrong with the database: one clear error, in time, that never shows the password. */

import { inspect } from 'node:util';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../src/database/index.ts';
import {
  ConfigurationError,
  DatabaseUnavailableError,
  type TimestepError,
} from '../../src/errors.ts';
import { administer, databaseUrl, emptyDatabase, freshDatabase } from '../support/databases.ts';
import { dataFolder } from '../support/embedded.ts';
import { withEnvironment } from '../support/environment.ts';
import {
  CERTIFICATE,
  closedPort,
  silentListener,
  slammingListener,
  tlsFront,
  webServer,
} from '../support/listeners.ts';

const PASSWORD = 'hunter2-never-shown';

interface Refused {
  error: TimestepError;
  elapsedMs: number;
}

/** Opens what cannot be opened, and checks what holds for every refusal. */
async function refusal(url?: string, variables: Record<string, string> = {}): Promise<Refused> {
  return withEnvironment(variables, async () => {
    const start = performance.now();
    const opened = openDatabase(url).then((database) => database.close());
    const error = await opened.then(
      () => expect.fail('it was opened'),
      (reason: TimestepError) => reason,
    );
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(PASSWORD);
    return { error, elapsedMs: performance.now() - start };
  });
}

function urlWith(changes: Partial<Record<'username' | 'password' | 'port' | 'pathname', string>>) {
  return Object.assign(new URL(inject('serverUrl')), changes).href;
}

test('a port on which nothing listens', async () => {
  const port = await closedPort();
  const { error, elapsedMs } = await refusal(`postgresql://ann:${PASSWORD}@127.0.0.1:${port}/shop`);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain(`nothing listens at 127.0.0.1:${port}`);
  expect(error.message).toContain('connectionString');
  expect(elapsedMs).toBeLessThan(2000);
});

test('a host name that does not exist', async () => {
  const { error } = await refusal(`postgresql://ann:${PASSWORD}@no-such-host.invalid/shop`);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('no-such-host.invalid');
});

test('a listener that never answers, within the time of the address', async () => {
  await using listener = await silentListener();
  const url = `postgresql://ann:${PASSWORD}@127.0.0.1:${listener.port}/shop?connect_timeout=1`;
  const { error, elapsedMs } = await refusal(url);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('did not answer as PostgreSQL within 1 s');
  expect(elapsedMs).toBeGreaterThan(900);
  expect(elapsedMs).toBeLessThan(2500);
});

test.each([
  ['a web server', webServer],
  ['something that hangs up', slammingListener],
])('%s on the port', async (_what, listen) => {
  await using listener = await listen();
  const url = `postgresql://ann:${PASSWORD}@127.0.0.1:${listener.port}/shop?connect_timeout=3`;
  const { error, elapsedMs } = await refusal(url);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('not PostgreSQL');
  expect(elapsedMs).toBeLessThan(3500);
});

test('a wrong password', async () => {
  const { error } = await refusal(urlWith({ password: PASSWORD }));
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toMatch(/refused the password of user '\w+'/);
});

test('a user that does not exist', async () => {
  const { error } = await refusal(urlWith({ username: 'nobody_here', password: PASSWORD }));
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain("'nobody_here'");
});

test('no password where one is needed, in words instead of the driver’s', async () => {
  const { error } = await refusal(urlWith({ password: '' }));
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('none was given');
  expect(error.message).not.toContain('SASL');
});

test('a database that does not exist', async () => {
  const { error } = await refusal(urlWith({ pathname: '/no_such_database' }));
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('createdb no_such_database');
});

test('a user who may not create the schema', async () => {
  await using database = await emptyDatabase();
  const role = `${database.name}_guest`;
  await administer(database.url, `create role ${role} login password '${PASSWORD}'`);
  const url = Object.assign(new URL(database.url), { username: role, password: PASSWORD }).href;
  try {
    const { error } = await refusal(url);
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(error.message).toContain('Grant');
  } finally {
    await administer(database.url, `drop role ${role}`);
  }
});

test('an address that cannot be read names the setting that holds it', async () => {
  const { error } = await refusal(undefined, {
    PG_CONNECTION_URI: `mysql://ann:${PASSWORD}@db.example/shop`,
  });
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(error.message).toMatch(/^PG_CONNECTION_URI: .*mysql/);
});

test('what PG_CONNECTION_URI names is not replaced by anything else', async () => {
  const port = await closedPort();
  await using folder = await dataFolder();
  const uri = `postgresql://ann:${PASSWORD}@127.0.0.1:${port}/shop`;
  const { error } = await refusal(undefined, { ...folder.environment, PG_CONNECTION_URI: uri });
  expect(error.message).toContain('(PG_CONNECTION_URI)');
});

test('no PostgreSQL at all: what was tried, and the ways out', async () => {
  await using folder = await dataFolder();
  const { error } = await refusal(undefined, {
    ...folder.environment,
    PGPORT: String(await closedPort()),
    TIMESTEP_EMBEDDED: 'off',
  });
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  for (const part of ['PG_CONNECTION_URI', 'localhost:', 'TIMESTEP_EMBEDDED', 'install'])
    expect(error.message).toContain(part);
});

test('programs of PostgreSQL that are not where TIMESTEP_PG_BIN says', async () => {
  await using folder = await dataFolder();
  const variables = { ...folder.environment, TIMESTEP_PG_BIN: folder.path };
  const { error } = await refusal(undefined, variables);
  expect(error).toBeInstanceOf(ConfigurationError);
  expect(error.message).toContain('TIMESTEP_PG_BIN');
});

test('the server has no TLS and sslmode demands it', async () => {
  const { error } = await refusal(`${inject('serverUrl').split('?')[0]}?sslmode=require`);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toContain('sslmode=require');
});

test.each(['prefer', 'allow'])('sslmode=%s does without TLS where there is none', async (mode) => {
  await using fresh = await freshDatabase();
  const url = `${fresh.url.split('?')[0]}?sslmode=${mode}`;
  await using database = await openDatabase(url);
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
  expect(database.location.url).toContain('sslmode=disable');
});

test.each([
  '',
  '?sslmode=allow',
  '?sslmode=prefer',
  '?sslmode=require',
  `?sslmode=verify-ca&sslrootcert=${encodeURIComponent(CERTIFICATE)}`,
])('a server that takes encrypted logins only: %s', async (query) => {
  await using fresh = await freshDatabase();
  await using front = await tlsFront(fresh.url);
  const url = new URL(fresh.url);
  url.port = String(front.port);
  await using database = await openDatabase(url.href.split('?')[0] + query);
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('sslmode=verify-full refuses a certificate of somebody else', async () => {
  await using front = await tlsFront(inject('serverUrl'));
  const url = new URL(databaseUrl(inject('serverUrl'), inject('template')));
  const query = `sslmode=verify-full&sslrootcert=${encodeURIComponent(CERTIFICATE)}`;
  url.port = String(front.port);
  const { error } = await refusal(`${url.href.split('?')[0]}?${query}`);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(error.message).toMatch(/certificate/i);
});
