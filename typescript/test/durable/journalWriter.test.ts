/** Steps of many runs, written in as few commits as can be. */

import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/database/index.ts';
import { Journal, type Step } from '../../src/durable/journal.ts';
import { JournalWriter } from '../../src/durable/journalWriter.ts';
import { DatabaseUnavailableError, RunOwnershipLostError } from '../../src/errors.ts';
import { administer, freshDatabase, type TestDatabase } from '../support/databases.ts';
import { until } from '../support/until.ts';

const NOBODY = '00000000-0000-0000-0000-000000000000';
const MAKE = `select k.epoch
  from timestep.create_run_v1($1, 'a', null, 'typescript', null, '"x"', 'hash', '{}', null, null, null) c
  cross join lateral timestep.claim_run_v1(
    case when c.created then $1 end, $2, 'typescript', 0, null, $1) k`;

let place: TestDatabase;
let database: Database;
let writer: JournalWriter;

beforeEach(async () => {
  place = await freshDatabase();
  database = await openDatabase(place.url);
  writer = new JournalWriter(database);
});

afterEach(async () => {
  await writer.idle();
  await database.close();
  await place[Symbol.asyncDispose]();
});

/** A run of this process, with its journal. */
async function journalOf(runId: string): Promise<Journal> {
  const [row] = await database.query<{ epoch: number }>(MAKE, [runId, NOBODY]);
  return new Journal({ database, writer, runId, epoch: row?.epoch ?? 0 });
}

async function journalsOf(...runIds: string[]): Promise<Journal[]> {
  return await Promise.all(runIds.map(journalOf));
}

function tool(number: number, more: Partial<Step> = {}): Step {
  const body = { output: String(number) };
  const key = `t:/c${number}`;
  return { key, kind: 'tool', agent: 'a', name: 'look', callId: `c${number}`, body, ...more };
}

function model(number: number): Step {
  return { key: `m::${number}`, kind: 'model', agent: 'a', name: 'm', body: { output: [] } };
}

const written = (sql: string) => administer(place.url, sql);

/** Holds the row of a run, so that nothing of the run can be written until it is disposed. */
async function held(runId: string) {
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  await client.query('begin');
  await client.query('select from timestep.runs where run_id = $1 for update', [runId]);
  return {
    query: (sql: string) => client.query(sql),
    [Symbol.asyncDispose]: async () => {
      await client.query('commit');
      await client.end();
    },
  };
}

/** Whether a statement waits for a row that another one holds. */
async function isWaiting(): Promise<boolean> {
  const rows = await written(`select from pg_stat_activity
    where datname = '${place.name}' and wait_event_type = 'Lock'`);
  return rows.length > 0;
}

/** Does something while a step of another run keeps the writer busy. */
async function blocked(act: () => void): Promise<void> {
  const other = await journalOf('other');
  {
    await using _held = await held('other');
    await other.record(tool(0));
    await until(isWaiting, 'the writer waits for the other run');
    act();
  }
  await other.settled();
}

test('steps that wait together share a commit', async () => {
  const runs = await journalsOf('r0', 'r1', 'r2', 'r3', 'r4');
  await blocked(() => {
    for (const n of [1, 2, 3, 4]) for (const run of runs) void run.record(tool(n));
  });
  await Promise.all(runs.map((run) => run.settled()));
  const rows = await written(`select count(*)::int, count(distinct xmin::text)::int as commits
    from timestep.steps where key <> 't:/c0'`);
  expect(rows).toEqual([{ count: 20, commits: 1 }]);
});

test('more steps than fit in a commit are written in the order in which they came', async () => {
  const run = await journalOf('r');
  await blocked(() => {
    for (let n = 1; n <= 150; n += 1) void run.record(tool(n));
  });
  await run.settled();
  const rows = await written(`select count(*)::int, max(substr(key, 5)::int) as newest
    from timestep.steps where run_id = 'r' group by xmin::text order by newest`);
  expect(rows).toEqual([
    { count: 100, newest: 100 },
    { count: 50, newest: 150 },
  ]);
});

test('a step that is refused does not hinder the others', async () => {
  const [kept, lost] = await journalsOf('kept', 'lost');
  await written(`update timestep.runs set epoch = epoch + 1 where run_id = 'lost'`);
  await blocked(() => {
    for (const journal of [lost, kept]) void journal?.record(tool(1));
  });
  await kept?.settled();
  await expect(lost?.settled()).rejects.toThrow(RunOwnershipLostError);
  const rows = await written(`select run_id from timestep.steps where key = 't:/c1'`);
  expect(rows).toEqual([{ run_id: 'kept' }]);
});

test('a step that cannot be written does not hinder the others', async () => {
  const [good, bad] = await journalsOf('good', 'bad');
  await blocked(() => {
    void bad?.record(tool(1, { key: 't:/\0' }));
    void good?.record(tool(1));
  });
  await good?.settled();
  await expect(bad?.settled()).rejects.toThrow(/invalid byte sequence/);
  expect(bad?.lost, 'it can still be written that the run has failed').toBe(false);
});

test('nothing is written after a step that cannot be, though both came together', async () => {
  const [good, bad] = await journalsOf('good', 'bad');
  let answer: Promise<void> | undefined;
  await blocked(() => {
    void bad?.record(tool(1, { key: 't:/\0' }));
    answer = bad?.record(model(1));
    void good?.record(tool(1));
    answer?.catch(() => {});
  });
  await expect(answer).rejects.toThrow(/invalid byte sequence/);
  await good?.settled();
  const rows = await written(`select run_id from timestep.steps where key <> 't:/c0'`);
  expect(rows).toEqual([{ run_id: 'good' }]);
});

test('steps of which it is not known whether they are written end their executions', async () => {
  const runs = await journalsOf('r0', 'r1');
  const unavailable = new DatabaseUnavailableError('gone');
  const away = new JournalWriter({ ...database, query: () => Promise.reject(unavailable) });
  const journals = runs.map((run) => new Journal({ ...run, database, writer: away }));
  for (const journal of journals) await journal.record(tool(1));
  for (const journal of journals) {
    await expect(journal.settled()).rejects.toBe(unavailable);
    expect(journal.lost).toBe(true);
    await expect(journal.record(tool(2))).rejects.toThrow(RunOwnershipLostError);
  }
});

test('nothing is written before the result of a tool', async () => {
  const run = await journalOf('r');
  const ended: string[] = [];
  const note = (what: string) => () => ended.push(what);
  let waiting: Promise<unknown>[];
  {
    await using row = await held('r');
    await run.record(tool(1)); // returns, although nothing can be written
    waiting = [run.record(model(1)), run.begin(tool(2), { again: false })];
    for (const each of waiting) each.then(note('written'), note('refused'));
    await until(isWaiting, 'the step of the tool waits');
    expect(ended).toEqual([]);
    await row.query(`update timestep.runs set epoch = epoch + 1 where run_id = 'r'`);
  }
  for (const each of waiting) await expect(each).rejects.toThrow(RunOwnershipLostError);
  expect(run.lost).toBe(true);
  expect(await written('select from timestep.steps')).toEqual([]);
});
