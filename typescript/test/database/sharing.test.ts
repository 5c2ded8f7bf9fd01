/** One server for processes of both languages, whoever comes first, and whoever is killed. */

import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/index.ts';
import { administer, emptyDatabase } from '../support/databases.ts';
import { dataFolder, serverOf, type TestFolder, untilStopped } from '../support/embedded.ts';
import { withEnvironment } from '../support/environment.ts';
import { type Ended, type Running, startNode, startPython } from '../support/processes.ts';

const NODE = fileURLToPath(new URL('./programs/use.ts', import.meta.url));
const PYTHON = fileURLToPath(new URL('./programs/use.py', import.meta.url));
const MINUTES = 60_000;

type Language = 'python' | 'node';

function use(language: Language, args: string[], environment: Record<string, string>): Running {
  return language === 'node'
    ? startNode(NODE, args, environment)
    : startPython(PYTHON, args, environment);
}

async function namesIn(folder: TestFolder): Promise<string[]> {
  return withEnvironment(folder.environment, async () => {
    await using database = await openDatabase();
    const rows = await database.query<{ name: string }>('select name from visits order by name');
    return rows.map(({ name }) => name);
  });
}

test.each<[Language, Language]>([
  ['python', 'node'],
  ['node', 'python'],
])(
  '%s starts the server, %s uses it, and the last to leave stops it',
  async (one, other) => {
    await using folder = await dataFolder();
    const first = use(one, ['first', 'released', 'close'], folder.environment);
    await first.says('wrote');
    const server = serverOf(folder.path);
    const second = use(other, ['second', 'released', 'fall'], folder.environment);
    await second.says('wrote');
    expect(serverOf(folder.path)).toBe(server);
    first.release();
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
    expect(serverOf(folder.path)).toBe(server);
    second.release();
    expect(await second.ended).toMatchObject({ code: 0, stderr: '' });
    await untilStopped(folder.path);
    expect(await namesIn(folder)).toEqual(['first', 'second']);
  },
  MINUTES,
);

test(
  'twenty of both languages on an empty database: each migration once, and no error',
  async () => {
    await using empty = await emptyDatabase();
    const environment = { PG_CONNECTION_URI: empty.url };
    const users = Array.from(
      { length: 20 },
      (_, at) => use(at % 7 ? 'node' : 'python', [`user ${at}`, '0', 'close'], environment).ended,
    );
    expect((await Promise.all(users)).filter(failed)).toEqual([]);
    const counts = await administer(
      empty.url,
      `select (select count(*)::int from visits) as visits,
            (select count(*)::int from timestep.migrations where version = 1) as first`,
    );
    expect(counts).toEqual([{ visits: 20, first: 1 }]);
  },
  4 * MINUTES,
);

test(
  'sixty processes come and go, a fifth of them killed: nothing fails, nothing is lost',
  async () => {
    await using folder = await dataFolder();
    const names: string[] = [];
    const failures: Ended[] = [];
    const waiting = Array.from({ length: 60 }, (_, at) => at);
    const worker = async () => {
      for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
        const language = at % 15 === 1 ? 'python' : 'node';
        const killed = at % 5 === 0;
        const name = `${language} ${at}`;
        const process = use(
          language,
          [name, killed ? '60000' : String(randomInt(150)), 'fall'],
          folder.environment,
        );
        if (killed) await process.says('wrote').then(() => process.process.kill('SIGKILL'));
        const ended = await process.ended;
        if (ended.stdout.includes('wrote')) names.push(name);
        if (killed ? ended.signal !== 'SIGKILL' : failed(ended)) failures.push(ended);
      }
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    expect(failures).toEqual([]);
    expect(names).toHaveLength(60);
    expect(await namesIn(folder)).toEqual(names.sort());
  },
  6 * MINUTES,
);

function failed({ code, stderr }: Ended): boolean {
  return code !== 0 || stderr !== '';
}
