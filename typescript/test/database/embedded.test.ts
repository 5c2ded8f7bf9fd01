/** The server that Timestep starts itself, with real processes that come, go and are killed. */

import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withLock } from '../../src/database/embedded/lock.ts';
import { openDatabase } from '../../src/database/index.ts';
import { administer } from '../support/databases.ts';
import {
  copyOf,
  dataFolder,
  serverOf,
  type TestFolder,
  untilStopped,
} from '../support/embedded.ts';
import { withEnvironment } from '../support/environment.ts';
import { type Ended, type Running, startNode } from '../support/processes.ts';
import { until } from '../support/until.ts';

const USE = fileURLToPath(new URL('./programs/use.ts', import.meta.url));
const LONG_MS = '60000';

/** A folder in which one process, "before", has been; what is about later ones begins with a copy. */
let used: TestFolder;
beforeAll(async () => {
  used = await dataFolder();
  expect(await use(used, 'before', '0', 'close').ended).toMatchObject({ code: 0, stderr: '' });
  await untilStopped(used.path);
});
afterAll(() => used[Symbol.asyncDispose]());

function use(folder: TestFolder, name: string, holdMs = '0', end = 'fall', more = {}): Running {
  return startNode(USE, [name, holdMs, end], { ...folder.environment, ...more });
}

function opened<Result>(folder: TestFolder, work: () => Promise<Result>): Promise<Result> {
  return withEnvironment(folder.environment, work);
}

async function clusterFolder({ path }: TestFolder): Promise<string> {
  const base = join(path, 'postgres');
  const found = ['18', '17', '16', '15', '14'].map((major) => join(base, major)).find(existsSync);
  return found ?? expect.fail(`no cluster in ${base}`);
}

/** The port that the cluster was made for. */
async function portOf(folder: TestFolder): Promise<number> {
  const settings = await readFile(
    join(await clusterFolder(folder), 'data/postgresql.conf'),
    'utf8',
  );
  return Number(/^port = (\d+)/m.exec(settings)?.[1]);
}

async function namesIn(folder: TestFolder): Promise<string[]> {
  return opened(folder, async () => {
    await using database = await openDatabase();
    const rows = await database.query<{ name: string }>('select name from visits order by name');
    return rows.map(({ name }) => name);
  });
}

function urlFrom({ stdout }: Ended): string {
  return /at (\S+)/.exec(stdout)?.[1] ?? expect.fail(`no address in ${stdout}`);
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  process.kill(pid ?? expect.fail('no process'), signal);
}

test.each(['close', 'fall'])(
  'it is there when needed and gone with its only user: %s',
  async (end) => {
    await using folder = await copyOf(used);
    expect(await use(folder, 'after', '0', end).ended).toMatchObject({ code: 0, stderr: '' });
    await untilStopped(folder.path);
    expect(await namesIn(folder)).toEqual(['after', 'before']);
  },
);

test('it is closed to everybody without its password, and the password to other users', async () => {
  await using folder = await copyOf(used);
  const running = use(folder, 'one', LONG_MS);
  await running.says('wrote');
  const cluster = await clusterFolder(folder);
  const password = await readFile(join(cluster, 'password'), 'utf8');
  expect(password.trim()).toMatch(/^[0-9a-f]{48}$/);
  expect((await stat(join(cluster, 'password'))).mode & 0o777).toBe(0o600);
  const port = await portOf(folder);
  const stranger = `postgresql://timestep:wrong@127.0.0.1:${port}/timestep?sslmode=disable`;
  await expect(openDatabase(stranger)).rejects.toThrow('refused the password');
  running.process.kill('SIGKILL');
  await running.ended;
});

test('who comes second uses the same server, and it stays until both are gone', async () => {
  await using folder = await copyOf(used);
  const first = use(folder, 'first', LONG_MS);
  await first.says('wrote');
  const server = serverOf(folder.path);
  const second = await use(folder, 'second', '0', 'close').ended;
  expect(second).toMatchObject({ code: 0, stderr: '' });
  expect(serverOf(folder.path)).toBe(server);
  first.process.kill('SIGKILL');
  await first.ended;
  // A killed process stops nothing; the next one to leave does.
  expect(serverOf(folder.path)).toBe(server);
  expect(await use(folder, 'third').ended).toMatchObject({ code: 0, stderr: '' });
  await untilStopped(folder.path);
  expect(await namesIn(folder)).toEqual(['before', 'first', 'second', 'third']);
});

test('ten processes that start on nothing share one cluster', async () => {
  await using folder = await dataFolder();
  const users = Array.from({ length: 10 }, (_, at) => use(folder, `user ${at}`, '50').ended);
  const ends = await Promise.all(users);
  expect(ends.filter(({ code, stderr }) => code !== 0 || stderr !== '')).toEqual([]);
  await untilStopped(folder.path);
  expect(await namesIn(folder)).toHaveLength(10);
});

test('a process that exits without a word leaves the server to the next one', async () => {
  await using folder = await copyOf(used);
  expect(await use(folder, 'first', '0', 'exit').ended).toMatchObject({ code: 0 });
  expect(serverOf(folder.path)).toBeDefined();
  expect(await use(folder, 'second').ended).toMatchObject({ code: 0 });
  await untilStopped(folder.path);
});

test('TIMESTEP_EMBEDDED_KEEP leaves it up', async () => {
  await using folder = await copyOf(used);
  const keep = { TIMESTEP_EMBEDDED_KEEP: '1' };
  const kept = await use(folder, 'first', '0', 'close', keep).ended;
  const server = serverOf(folder.path);
  expect(server).toBeDefined();
  const url = urlFrom(kept);
  await administer(url, `alter database timestep set timestep.keep = 'on'`);
  await use(folder, 'second', '0', 'close').ended;
  expect(serverOf(folder.path)).toBe(server);
  await administer(url, 'alter database timestep reset timestep.keep');
  await use(folder, 'third', '0', 'close').ended;
  await untilStopped(folder.path);
});

test('a killed server is started again by the process that was using it', async () => {
  await using folder = await copyOf(used);
  await opened(folder, async () => {
    await using database = await openDatabase();
    await database.query('create table kept as select 7 as number');
    const server = serverOf(folder.path);
    kill(server, 'SIGKILL');
    const read = () => database.query('select number from kept', [], { repeatable: true });
    // Its processes outlive it for a moment, and answer.
    await until(async () => {
      expect(await read()).toEqual([{ number: 7 }]);
      return ![server, undefined].includes(serverOf(folder.path));
    }, 'another server runs');
  });
  await untilStopped(folder.path);
});

test('a process whose server was killed under it ends in peace', async () => {
  await using folder = await copyOf(used);
  await opened(folder, async () => {
    const database = await openDatabase();
    kill(serverOf(folder.path), 'SIGKILL');
    await database.close();
  });
});

test('a killed server is recovered by the next process', async () => {
  await using folder = await copyOf(used);
  await use(folder, 'killed', '0', 'exit').ended;
  kill(serverOf(folder.path), 'SIGKILL');
  expect(await use(folder, 'after').ended).toMatchObject({ code: 0, stderr: '' });
  await untilStopped(folder.path);
  expect(await namesIn(folder)).toEqual(['after', 'before', 'killed']);
});

test('a pid file that names a process of somebody else is put aside', async () => {
  await using folder = await copyOf(used);
  const file = join(await clusterFolder(folder), 'data/postmaster.pid');
  await writeFile(file, `${process.pid}\n${folder.path}\n1\n1\n\n\n\nready\n`);
  expect(await use(folder, 'after').ended).toMatchObject({ code: 0, stderr: '' });
});

test('a pid file whose process is gone is taken over', async () => {
  await using folder = await copyOf(used);
  const gone = startNode('-e', ['0'], {});
  await gone.ended;
  const file = join(await clusterFolder(folder), 'data/postmaster.pid');
  await writeFile(file, `${gone.process.pid}\n${folder.path}\n1\n1\n\n\n\nready\n`);
  expect(await use(folder, 'after').ended).toMatchObject({ code: 0, stderr: '' });
});

test('a port that somebody else has taken is replaced by another one', async () => {
  await using folder = await copyOf(used);
  const port = await portOf(folder);
  const { createServer } = await import('node:net');
  const taken = createServer().listen(port, '127.0.0.1');
  try {
    const second = await use(folder, 'second', '0', 'close').ended;
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(new URL(urlFrom(second)).port).not.toBe(String(port));
  } finally {
    taken.close();
  }
});

test('what processes left that died while they made a cluster or held the lock does not matter', async () => {
  await using folder = await dataFolder();
  const base = join(folder.path, 'postgres');
  await mkdir(join(base, '.init-1-dead'), { recursive: true, mode: 0o755 });
  const gone = startNode('-e', ['0'], {});
  await gone.ended;
  await writeFile(join(base, '.lock'), String(gone.process.pid));
  expect(await use(folder, 'first').ended).toMatchObject({ code: 0, stderr: '' });
});

test('only one process at a time holds the lock', async () => {
  await using folder = await copyOf(used);
  const inner = await opened(folder, async () => {
    let second: boolean | undefined;
    await withLock(folder.path, async () => {
      second = await withLock(folder.path, async () => expect.fail('two hold it'));
    });
    return second;
  });
  expect(inner).toBe(false);
  expect(await withLock(folder.path, async () => {})).toBe(true);
});

test('data of another major version is an error, and no second cluster appears', async () => {
  await using folder = await copyOf(used);
  const cluster = await clusterFolder(folder);
  await rename(cluster, join(folder.path, 'postgres/99'));
  const { code, stderr } = await use(folder, 'second').ended;
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/ConfigurationError: TIMESTEP_PG_BIN .* PostgreSQL 99/);
  expect(existsSync(cluster)).toBe(false);
});

test('a server that does not start says why', async () => {
  await using folder = await copyOf(used);
  await appendFile(join(await clusterFolder(folder), 'data/postgresql.conf'), 'nonsense = 1\n');
  const { code, stderr } = await use(folder, 'second').ended;
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/DatabaseUnavailableError: No PostgreSQL is available.*nonsense/s);
});

test('a missing password file is an error that names the folder', async () => {
  await using folder = await copyOf(used);
  await rm(join(await clusterFolder(folder), 'password'));
  const { stderr } = await use(folder, 'second').ended;
  expect(stderr).toMatch(/DatabaseUnavailableError.*password/s);
});

test('a database that refuses on localhost is not used, with a warning', async () => {
  const { silentListener } = await import('../support/listeners.ts');
  await using listener = await silentListener();
  await using folder = await copyOf(used);
  const { code, stderr, stdout } = await use(folder, 'one', '0', 'close', {
    PGPORT: String(listener.port),
  }).ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('wrote one') });
  expect(stderr).toMatch(/TIMESTEP_LOCALHOST_REFUSED.*did not answer as PostgreSQL within 2 s/);
  expect(listener.count()).toBeLessThanOrEqual(3);
});

test('attaching to a running server takes few connections and no programs', async () => {
  await using folder = await copyOf(used);
  await use(folder, 'first', '0', 'exit').ended;
  await until(() => serverOf(folder.path) !== undefined, 'it runs');
  const without = { ...folder.environment, PATH: '', TIMESTEP_PG_BIN: '/nonexistent' };
  await withEnvironment(without, async () => {
    await using database = await openDatabase();
    expect(await database.query('select name from visits')).toEqual([
      { name: 'before' },
      { name: 'first' },
    ]);
  });
});
