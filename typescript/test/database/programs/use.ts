/** Opens the database, notes its name in a table, holds on as long as it is told, and ends. */

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../../src/database/index.ts';

const [name = '', hold = '0', end = 'fall'] = process.argv.slice(2);
const database = await openDatabase();
await database
  .query('create table if not exists public.visits (name text primary key)')
  .catch(ignoreRace);
await database.query('insert into public.visits (name) values ($1)', [name]);
process.stdout.write(`wrote ${name} at ${database.location.url}\n`);
await (hold === 'released' ? once(process.stdin.resume(), 'end') : sleep(Number(hold)));
await database.query('select 1');
if (end === 'close') await database.close();
if (end === 'exit') process.exit(0);

/** Two may create the table at the same instant: PostgreSQL's own answer to that is an error. */
function ignoreRace(error: { code?: string }): void {
  if (!['23505', '42P07'].includes(error.code ?? '')) throw error;
}
