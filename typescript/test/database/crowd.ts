/** Processes of both languages that use one database, and end or are killed. */

import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { openDatabase } from '../../src/database/index.ts';
import { dataFolder, type TestFolder } from '../support/embedded.ts';
import { withEnvironment } from '../support/environment.ts';
import { type Ended, type Running, startNode, startPython } from '../support/processes.ts';

const NODE = fileURLToPath(new URL('./programs/use.ts', import.meta.url));
const PYTHON = fileURLToPath(new URL('./programs/use.py', import.meta.url));
const AT_ONCE = 6;

export type Language = 'python' | 'node';

/** Starts a process that opens the database, notes its name there, and ends as it is told. */
export function use(
  language: Language,
  args: string[],
  environment: Record<string, string>,
): Running {
  return language === 'node'
    ? startNode(NODE, args, environment)
    : startPython(PYTHON, args, environment);
}

export function failed({ code, stderr }: Ended): boolean {
  return code !== 0 || stderr !== '';
}

/** The names that were noted. */
export async function namesIn(folder: TestFolder): Promise<string[]> {
  return withEnvironment(folder.environment, async () => {
    await using database = await openDatabase();
    const rows = await database.query<{ name: string }>('select name from visits order by name');
    return rows.map(({ name }) => name);
  });
}

/** So many processes use one embedded server, a fifth of them are killed: no other notices. */
export async function comeAndGo(count: number): Promise<void> {
  await using folder = await dataFolder();
  const names: string[] = [];
  const failures: Ended[] = [];
  const waiting = Array.from({ length: count }, (_, at) => at);
  const worker = async () => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      const language = at % 15 === 1 ? 'python' : 'node';
      const killed = at % 5 === 0;
      const name = `${language} ${at}`;
      const hold = killed ? '60000' : String(randomInt(150));
      const process = use(language, [name, hold, 'fall'], folder.environment);
      if (killed) await process.says('wrote').then(() => process.process.kill('SIGKILL'));
      const ended = await process.ended;
      if (ended.stdout.includes('wrote')) names.push(name);
      if (killed ? ended.signal !== 'SIGKILL' : failed(ended)) failures.push(ended);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect(failures).toEqual([]);
  expect(names).toHaveLength(count);
  expect(await namesIn(folder)).toEqual(names.sort());
}
