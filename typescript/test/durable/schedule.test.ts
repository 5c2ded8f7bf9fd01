/** Schedules: kept, replaced, and ticking once, however many processes see a tick. */

import { expect, test, vi } from 'vitest';
import { aCompany, says, workersOf } from '../support/durable.ts';
import { until } from '../support/until.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();
const { serving } = workersOf(company);

interface Ticks {
  schedule: string;
  runs: number;
}

const ticks = async () =>
  await company.it.rows<Ticks>(
    `select schedule, count(*)::int as runs from timestep.runs
      where schedule is not null group by schedule order by schedule`,
  );

const script = () => company.it.script(...Array.from({ length: 99 }, () => says('done')));

test('two schedules tick once each however many processes see it', async () => {
  await script();
  await serving();
  const runs = await company.it.run('schedule', { names: ['one', 'two'], runs: 2 });
  expect(new Set(runs as string[]).size).toBe(runs.length);
  for (const run of runs as string[]) {
    expect(run).toMatch(/^(one|two)@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  }
  const counted = await ticks();
  expect(counted.map(({ schedule }) => schedule)).toEqual(['one', 'two']);
  const all = counted.reduce((sum, { runs: count }) => sum + count, 0);
  expect(await company.it.modelCalls()).toBeLessThanOrEqual(all);
});

test('a schedule outlives the process that made it', async () => {
  await script();
  await company.it.run('schedule', { names: ['one'], runs: 0 });
  const [before] = await ticks();
  await serving();
  const more = async () => ((await ticks())[0]?.runs ?? 0) >= (before?.runs ?? 0) + 2;
  await until(more, 'two more ticks', 60_000);
});

test('a schedule that was handed to Python ticks here no more', async () => {
  await script();
  await serving();
  await company.it.run('schedule', { names: ['one', 'other'], runs: 0 });
  await until(async () => (await ticks()).length === 2, 'both have ticked', 60_000);
  await company.it.rows(`update timestep.schedules set language = 'python' where name = 'one'`);
  const now = async (name: string) =>
    (await ticks()).find(({ schedule }) => schedule === name)?.runs ?? 0;
  const [one, other] = [await now('one'), await now('other')];
  await until(async () => (await now('other')) >= other + 3, 'the other goes on', 60_000);
  // a tick that was under way may still have become a run
  expect(await now('one')).toBeLessThanOrEqual(one + 1);
});

test('what DBOS cannot read is refused before anything is kept', async () => {
  await script();
  const given = { names: ['one'], runs: 0 };
  const crontab = await company.it.run('schedule', { ...given, crontab: 'every day' });
  expect(crontab).toMatchObject({ error: 'ConfigurationError' });
  const timezone = await company.it.run('schedule', { ...given, timezone: 'Mars/Olympus' });
  expect(timezone).toMatchObject({ error: 'ConfigurationError' });
  expect(await company.it.rows('select name from timestep.schedules')).toEqual([]);
});
