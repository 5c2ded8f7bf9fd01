/** Processes that fall silent, and who goes on with their runs. */

import { expect, test, vi } from 'vitest';
import { cancelRun, getRun } from '../../src/durable/index.ts';
import { aCompany, answerOf, call, type Moment, says, workersOf } from '../support/durable.ts';
import { withEnvironment } from '../support/environment.ts';
import { until } from '../support/until.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();
const { worker, serving } = workersOf(company);

const begun = (tool: string) =>
  until(() => company.it.effects('start', tool).length > 0, `${tool} has begun`, 60_000);

const run = () => withEnvironment({ PG_CONNECTION_URI: company.it.url }, () => getRun('w'));

const completed = () =>
  until(async () => (await run())?.status === 'completed', 'the run has ended', 60_000);

test('runs of a process that was killed go on in another one', async () => {
  await company.it.script(
    says(call('look', 'c1', { n: 1 })),
    says(call('slow', 'c2', { seconds: 1 })),
    says('done'),
  );
  const first = worker('run', { workflow_id: 'w' });
  await begun('slow');
  first.process.kill('SIGKILL');
  await serving();
  await completed();
  expect(await run()).toMatchObject({ output: 'done', epoch: 2, requests: 3 });
  expect(company.it.effects('start', 'look')).toHaveLength(1);
  expect(company.it.effects('start', 'slow')).toHaveLength(2);
  expect(await company.it.modelCalls()).toBe(3);
  // the workflow of the dead process is over, too
  expect(
    await company.it.rows(
      'select workflow_uuid as id, status from dbos.workflow_status order by workflow_uuid',
    ),
  ).toEqual([
    { id: 'w', status: 'CANCELLED' },
    { id: 'w#2', status: 'SUCCESS' },
  ]);
});

test('a process that comes back under its name goes on without waiting for its lease', async () => {
  await company.it.script(says(call('slow', 'c1', { seconds: 1 })), says('done'));
  const pod: Moment = { lease: 600, variables: { DBOS__VMID: 'pod-1' } };
  const first = worker('run', { workflow_id: 'w' }, pod);
  await begun('slow');
  first.process.kill('SIGKILL');
  await first.ended;
  const back = worker('wait', { workflow_id: 'w' }, { ...pod, lease: 3 });
  expect(answerOf(await back.ended)).toMatchObject({ status: 'completed', output: 'done' });
  expect(
    await company.it.rows(
      `select executor_id, stopped_at is null as alive from timestep.executors
        order by started_at`,
    ),
  ).toEqual([
    { executor_id: 'pod-1', alive: false },
    { executor_id: 'pod-1', alive: true },
  ]);
});

test('a process whose event loop is blocked for too long loses its run and stops it', async () => {
  await company.it.script(says(call('block', 'c1', { seconds: 10 })), says('done'));
  const other = await serving();
  const moment: Moment = { lease: 1, variables: { BLOCKS: 'yes' } };
  const blocked = worker('run', { workflow_id: 'w' }, moment);
  // while it is blocked the other process makes the call in flight anew; what it made of it itself
  // is not recorded, and it learns from the database how the run has ended
  expect(answerOf(await blocked.ended)).toMatchObject({ status: 'completed', output: 'done' });
  const calls = company.it.effects().map(([what, , , , pid]) => [what, pid]);
  expect(calls).toEqual([
    ['start', blocked.process.pid],
    ['start', other.process.pid],
    ['end', other.process.pid],
    ['end', blocked.process.pid],
  ]);
  expect(await company.it.modelCalls()).toBe(2);
  expect(await company.it.rows('select key, epoch::int from timestep.steps order by key')).toEqual([
    { key: 'm::0', epoch: 1 },
    { key: 'm::1', epoch: 2 },
    { key: 't:/c1', epoch: 2 },
  ]);
});

test('a run whose agent nobody has waits for a process that has it', async () => {
  await company.it.script(says(call('slow', 'c1', { seconds: 1 })), says('done'));
  const first = worker('run', { workflow_id: 'w' });
  await begun('slow');
  first.process.kill('SIGKILL');
  await serving({ lease: 1, variables: { STRANGER: 'yes' } });
  const dead = async () =>
    await company.it.rows(`select 1 from timestep.runs r where not timestep.is_alive_v1(r.owner)`);
  await until(async () => (await dead()).length === 1, 'the lease has run out', 60_000);
  await serving();
  await completed();
  expect((await run())?.epoch).toBe(2);
});

test('a run that is cancelled elsewhere stops within a heartbeat', async () => {
  await company.it.script(says(call('slow', 'c1', { seconds: 60 })), says('done'));
  const first = worker('run', { workflow_id: 'w' });
  await begun('slow');
  await withEnvironment({ PG_CONNECTION_URI: company.it.url }, async () => {
    expect(await cancelRun('w', { reason: 'enough' })).toBe(true);
    expect(await cancelRun('w')).toBe(false);
  });
  expect(answerOf(await first.ended)).toMatchObject({ status: 'cancelled' });
  expect(company.it.effects('end', 'slow')).toEqual([]);
  expect(await run()).toMatchObject({ status: 'cancelled', error: 'enough' });
});

test('a statement that is lost twice does not end the run', async () => {
  await company.it.script(says('done'), says('done'));
  await company.it.rows(`create sequence lost;
    create function lose() returns trigger language plpgsql as $$ begin
      if nextval('lost') <= 2 then perform pg_terminate_backend(pg_backend_pid()); end if;
      return new; end $$;
    create trigger lose before insert on timestep.rate_limit_slots
      for each row execute function lose()`);
  const limit = { ids: ['w'], requests: 5, seconds: 1 };
  expect(await company.it.run('limited', limit)).toMatchObject([{ status: 'completed' }]);
  expect(await company.it.rows('select last_value > 2 as often from lost')).toEqual([
    { often: true },
  ]);
});

test('a database that was away does not end a run', async () => {
  await company.it.script(
    says(call('slow', 'c1', { seconds: 4 })),
    says(call('look', 'c2', { n: 1 })),
    says('done'),
  );
  const first = worker('run', { workflow_id: 'w' });
  await begun('slow');
  // all connections of the process are cut, once
  await company.it.rows(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`,
  );
  expect(answerOf(await first.ended)).toMatchObject({ status: 'completed', output: 'done' });
  expect(company.it.effects('start', 'slow').length).toBeLessThanOrEqual(2);
  expect(company.it.effects('start', 'look')).toHaveLength(1);
});
