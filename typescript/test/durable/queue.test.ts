/** Queues: several processes, limits, priorities, deduplication, death. */

import { expect, test, vi } from 'vitest';
import { aCompany, answerOf, call, says, workersOf } from '../support/durable.ts';
import { until } from '../support/until.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();
const { serving } = workersOf(company);

const started = async (times = 1) =>
  await until(
    () => company.it.effects('start', 'slow').length >= times,
    `slow was called ${times} times`,
    60_000,
  );

test('queued runs are executed by whoever has room', async () => {
  const outputs = Array.from({ length: 6 }, (_, n) => `done ${n}`);
  await company.it.script(...outputs.map((output) => says(output)));
  await serving();
  const answers = await company.it.run('queue', { ids: ['a', 'b', 'c', 'd', 'e', 'f'] });
  expect(answers.map(({ output }: { output: string }) => output).sort()).toEqual(outputs);
  const sql = 'select distinct status, owner, queue_name from timestep.runs';
  expect(await company.it.rows(sql)).toEqual([
    { status: 'completed', owner: null, queue_name: 'agents' },
  ]);
});

test('a narrow queue executes one at a time, the most urgent first', async () => {
  const turn = (n: number) => [says(call('slow', `c${n}`, { seconds: 0.3 })), says('ok')];
  await company.it.script(...[0, 1, 2, 3].flatMap(turn));
  const ids = ['a', 'b', 'c', 'd'];
  await company.it.run('queue', { ids, priorities: [4, 3, 2, 1], queue_name: 'narrow' });
  const rows = await company.it.rows<{ run_id: string }>(
    'select run_id from timestep.runs order by started_at',
  );
  const [first, ...others] = rows.map(({ run_id }) => run_id);
  expect(others).toEqual(ids.filter((id) => id !== first).reverse());
  expect(
    await company.it.rows(
      `select a.run_id from timestep.runs a join timestep.runs b on a.run_id < b.run_id
        and a.started_at < b.finished_at and b.started_at < a.finished_at`,
    ),
  ).toEqual([]);
});

test('a deduplicated run is the one that is there', async () => {
  await company.it.script(says(call('slow', 'c', { seconds: 1 })), says('done'));
  const answers = await company.it.run('queue', { ids: ['a', 'b'], deduplication_id: 'same' });
  expect(answers.map(({ output }: { output: string }) => output)).toEqual(['done', 'done']);
  expect(await company.it.rows('select run_id from timestep.runs')).toEqual([{ run_id: 'a' }]);
});

test('the same id is one queued run, and another input is an error', async () => {
  await company.it.script(says('done'));
  const answers = await company.it.run('queue', { ids: ['a', 'a'] });
  expect(answers[1]).toEqual(answers[0]);
  const other = await company.it.run('run', { workflow_id: 'a', text: 'something else' });
  expect(other).toMatchObject({ error: 'ConfigurationError' });
  expect(await company.it.modelCalls()).toBe(1);
});

test('a queued run survives the worker that took it', async () => {
  await company.it.script(says(call('slow', 'c', { seconds: 30 })), says('done'));
  const worker = await serving();
  await company.it.run('queue', { ids: ['a'], wait: false });
  await started();
  worker.process.kill('SIGKILL'); // if who queued it took it, that process has ended by itself
  await worker.ended;
  await serving();
  await started(2);
  const [first, ...others] = company.it.effects('start', 'slow').map(([, , , , pid]) => pid);
  expect(others).not.toContain(first);
});

test.each([
  [{ priorities: [0] }, /priority is 0/],
  [{ priorities: [2 ** 31] }, /priority is 2147483648/],
  [{ runtime: 'cobol' }, /runtime is "cobol"/],
])('what cannot be queued is refused, and nothing is left of it: %o', async (options, message) => {
  await company.it.script();
  const answer = await company.it.run('queue', { ids: ['a'], ...options });
  expect(answer).toMatchObject({ error: 'ConfigurationError', message });
  expect(await company.it.rows('select run_id from timestep.runs')).toEqual([]);
});

test('a run that was taken from the queue and not begun is put back', async () => {
  await company.it.script(says('done'));
  // as a process leaves it that dies between taking the run and claiming it
  await company.it.run('queue', { ids: ['a'] });
  await company.it.rows(
    `update timestep.runs set status = 'pending', owner = null, epoch = 0,
      updated_at = now() - interval '1 hour' where run_id = 'a'`,
  );
  await company.it.rows(
    `update dbos.workflow_status set status = 'PENDING', executor_id = 'gone'
      where workflow_uuid = 'a'`,
  );
  await company.it.rewindScript();
  await serving();
  const answer = await answerOf(await company.it.worker('wait', { workflow_id: 'a' }).ended);
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
});
