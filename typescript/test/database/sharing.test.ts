/** One server for processes of both languages, whoever comes first, and whoever is killed. */

import { expect, test } from 'vitest';
import { administer, emptyDatabase } from '../support/databases.ts';
import { dataFolder, serverOf, untilStopped } from '../support/embedded.ts';
import { comeAndGo, failed, type Language, namesIn, use } from './crowd.ts';

const MINUTES = 60_000;

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
  'twenty processes come and go, a fifth of them killed: nothing fails, nothing is lost',
  () => comeAndGo(20),
  4 * MINUTES,
);
