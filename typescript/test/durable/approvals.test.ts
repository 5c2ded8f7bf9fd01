/** Decisions on the calls that durable runs wait for, and who goes on then. */

import { expect, test, vi } from 'vitest';
import { decideApproval, listApprovals, resumeRun } from '../../src/durable/index.ts';
import { ApprovalConflictError, ConfigurationError, StateConflictError } from '../../src/errors.ts';
import { aCompany, call, says, workersOf } from '../support/durable.ts';
import { withEnvironment } from '../support/environment.ts';
import { until } from '../support/until.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();
const { serving } = workersOf(company);

/** A run that waits for decisions on so many refunds, and this process, which executes nothing. */
async function paused(refunds: number, given: object = {}): Promise<void> {
  const calls = Array.from({ length: refunds }, (_, n) => call('refund', `c${n}`, { n }));
  await company.it.script(says(...calls), says('done'));
  const answer = await company.it.run('run', { workflow_id: 'w', approve: false, ...given });
  expect(answer).toMatchObject({ status: 'interrupted', requests: 1 });
}

/** Does something in this process with the company's database. */
const here = <T>(work: () => Promise<T>): Promise<T> =>
  withEnvironment({ PG_CONNECTION_URI: company.it.url }, work);

const status = async () =>
  (await company.it.rows<{ status: string }>('select status from timestep.runs'))[0]?.status;

test('a process without agents decides, and whoever has the agent goes on once', async () => {
  await paused(2);
  await here(async () => {
    const [first, second] = await listApprovals({ runId: 'w' });
    expect(first).toMatchObject({ tool: 'refund', arguments: '{"n":0}', status: 'pending' });
    await decideApproval(String(first?.approvalId), { approve: true, decidedBy: 'ann' });
    await expect(resumeRun('w')).rejects.toThrow(ApprovalConflictError);
    await expect(resumeRun('w')).rejects.toThrow(/1 of its calls wait/);
    await decideApproval(String(second?.approvalId), {
      approve: false,
      message: 'Not this one.',
      decidedBy: 'bob',
    });
    expect(await listApprovals()).toEqual([]);
    await Promise.all([resumeRun('w'), resumeRun('w'), resumeRun('w')]);
  });
  expect(await status()).toBe('pending');
  await serving();
  await until(async () => (await status()) === 'completed', 'the run goes on', 60_000);
  expect(company.it.effects('start', 'refund').map(([, , key]) => key)).toEqual(['w/c0']);
  expect(
    await company.it.rows(
      'select call_id, decision, decided_by from timestep.tool_calls order by call_id',
    ),
  ).toEqual([
    { call_id: 'c0', decision: 'approved', decided_by: 'ann' },
    { call_id: 'c1', decision: 'rejected', decided_by: 'bob' },
  ]);
  const told = JSON.parse(String((await company.it.requests()).at(-1)?.body)).input;
  expect(told.at(-1)).toMatchObject({ call_id: 'c1', output: 'Not this one.' });
});

test('a run that is decided on at once goes on at once', async () => {
  await company.it.script(says(call('refund', 'c1', { n: 1 })), says('done'));
  const answer = await company.it.run('decide_at_once', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  // nobody had to take the second segment over
  expect(await company.it.rows('select workflow_id from timestep.runs')).toEqual([
    { workflow_id: 'w:r1' },
  ]);
});

test('of several decisions the first one counts', async () => {
  await paused(1);
  await here(async () => {
    const [approval] = await listApprovals();
    const id = String(approval?.approvalId);
    const decided = await decideApproval(id, { approve: true, arguments: { n: 5 } });
    expect(decided).toMatchObject({ status: 'approved', argumentsUsed: '{"n":5}' });
    expect(await decideApproval(id, { approve: true, arguments: '{"n":5}' })).toEqual(decided);
    await expect(decideApproval(id, { approve: false })).rejects.toThrow(ApprovalConflictError);
    await expect(decideApproval(id, { approve: true })).rejects.toThrow(/is approved already/);
    expect(await listApprovals({ status: null })).toEqual([decided]);
  });
});

test('a double approval is one resume', async () => {
  await paused(1);
  const answers = await company.it.run('decide', { workflow_id: 'w', approve: true, resumes: 3 });
  expect(answers).toMatchObject(Array.from({ length: 3 }, () => ({ status: 'completed' })));
  expect(company.it.effects('start', 'refund')).toHaveLength(1);
  expect(await company.it.rows('select segment from timestep.runs')).toEqual([{ segment: 1 }]);
  await here(() => resumeRun('w')); // a run that has ended is left as it is
  expect(await status()).toBe('completed');
});

test('what cannot be decided on is refused', async () => {
  await paused(1);
  await here(async () => {
    const [approval] = await listApprovals();
    const id = String(approval?.approvalId);
    const nobody = '00000000-0000-0000-0000-000000000000';
    const refusals: [string, Parameters<typeof decideApproval>[1], RegExp][] = [
      [nobody, { approve: true }, /There is no approval/],
      ['w', { approve: true }, /'w' is no approval id/],
      [id, { approve: false, arguments: {} }, /arguments are for an approved call/],
      [id, { approve: true, arguments: '{' }, /arguments are no JSON:/],
      [id, { approve: true, arguments: '[1]' }, /arguments are no JSON object/],
    ];
    for (const [given, decision, words] of refusals) {
      await expect(decideApproval(given, decision)).rejects.toThrow(ConfigurationError);
      await expect(decideApproval(given, decision)).rejects.toThrow(words);
    }
    await expect(resumeRun('other')).rejects.toThrow(/There is no run 'other'/);
    expect(await listApprovals()).toEqual([approval]);
  });
});

test('a state that was resumed outside of the run is not resumed again', async () => {
  await paused(1);
  await here(async () => {
    const [approval] = await listApprovals();
    await decideApproval(String(approval?.approvalId), { approve: true });
    await company.it.rows(`update timestep.run_states set status = 'done'`);
    await expect(resumeRun('w')).rejects.toThrow(StateConflictError);
  });
  expect(await status()).toBe('interrupted');
});

test('runs whose approvals expired do not wait for each other', async () => {
  const asks = says(call('refund', 'c', { n: 1 }));
  await company.it.script(asks, asks, asks, says('done'), says('done'));
  for (const workflow_id of ['a', 'b', 'c']) {
    await company.it.run('run', { workflow_id, approve: false, approval_seconds: 3600 });
  }
  // one was resumed outside of its run, one expired by a process that died then
  await company.it.rows(`update timestep.run_states set status = 'done' where run_id = 'a'`);
  await company.it.rows(
    `update timestep.approvals set expires_at = now() where run_id in ('a', 'b')`,
  );
  await company.it.rows(
    `update timestep.approvals set status = 'expired', decided_at = now(), message = 'Too late.'
      where run_id = 'c'`,
  );
  await serving();
  const completed = `select run_id from timestep.runs where status = 'completed' order by run_id`;
  const done = async () => (await company.it.rows(completed)).length === 2;
  await until(done, 'the runs go on', 60_000);
  expect(await company.it.rows(completed)).toEqual([{ run_id: 'b' }, { run_id: 'c' }]);
  expect(company.it.effects()).toEqual([]);
});

test('an approval that expires is a rejection, and the run goes on', async () => {
  await paused(1, { approval_seconds: 0.5 });
  await serving();
  await until(async () => (await status()) === 'completed', 'the run goes on', 60_000);
  expect(await company.it.rows('select status from timestep.approvals')).toEqual([
    { status: 'expired' },
  ]);
  const told = JSON.parse(String((await company.it.requests()).at(-1)?.body)).input;
  expect(told.at(-1).output).toMatch(/expired/);
  expect(company.it.effects()).toEqual([]);
});
