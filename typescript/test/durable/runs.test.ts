/** Durable runs from the outside: real processes, a real database, the scripted model. */

import { expect, test } from 'vitest';
import { aCompany, call, says } from '../support/durable.ts';

const company = aCompany();

test('a run is recorded step by step', async () => {
  await company.it.script(
    says(call('look', 'c1', { n: 1 }), call('mail', 'c2', { n: 2 })),
    says('done'),
  );
  const answer = await company.it.run('run', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'completed', output: 'done', requests: 2, tokens: 22 });
  expect(await company.it.rows('select key, status from timestep.steps order by key')).toEqual([
    { key: 'm::0', status: 'done' },
    { key: 'm::1', status: 'done' },
    { key: 't:/c1', status: 'done' },
    { key: 't:/c2', status: 'done' },
  ]);
  expect(company.it.effects('end').map(([, , key]) => key)).toEqual(['w/c1', 'w/c2']);
});

test('who waited for a run finds its workflow ended too', async () => {
  await company.it.script(says('done'));
  await company.it.run('run', { workflow_id: 'w' }); // its process exits as soon as it has the answer
  const sql = `select s.workflow_uuid as id, s.status, o.output from dbos.workflow_status s
    join dbos.workflow_output o using (workflow_uuid)`;
  expect(await company.it.rows(sql)).toEqual([
    { id: 'w', status: 'SUCCESS', output: '{"run_id":"w","status":"completed"}' },
  ]);
});

test('the same id is the same run in another process', async () => {
  await company.it.script(says('done'));
  const first = await company.it.run('run', { workflow_id: 'w' });
  const again = await company.it.run('run', { workflow_id: 'w' });
  expect(again).toEqual({ ...first, turns: 0 });
  expect(await company.it.modelCalls()).toBe(1);
});

test('the same id at the same time is one run', async () => {
  await company.it.script(says(call('look', 'c1', { n: 1 })), says('done'));
  const here = company.it.worker('together', { ids: ['w', 'w', 'w'] });
  const there = company.it.run('together', { ids: ['w', 'w'] });
  const ended = await Promise.all([here.ended, there]);
  expect(JSON.parse(ended[0].stdout)).toHaveLength(3);
  for (const answer of [...JSON.parse(ended[0].stdout), ...(ended[1] as unknown as object[])]) {
    expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  }
  expect(await company.it.modelCalls()).toBe(2);
  expect(company.it.effects('end')).toHaveLength(1);
});

test('the same id with another input is an error', async () => {
  await company.it.script(says('done'));
  await company.it.run('run', { workflow_id: 'w' });
  const other = await company.it.run('run', { workflow_id: 'w', text: 'something else' });
  expect(other.error).toBe('ConfigurationError');
  expect(other.message).toContain('another input');
});

test('a new session continues that of the run', async () => {
  await company.it.script(says('done'));
  const first = (await company.it.run('with_new_session', { workflow_id: 'w' })) as unknown;
  expect(first).toEqual([expect.any(String), 'user', 'assistant']);
  expect(await company.it.run('with_new_session', { workflow_id: 'w' })).toEqual(first);
  const other = await company.it.run('run', { workflow_id: 'w', session_id: 'another' });
  expect(other.message).toContain('another session');
});

test('a structured output is an object, here and in the process that finds it', async () => {
  await company.it.script(says('{"guilty":true}'));
  const first = await company.it.run('judged', { workflow_id: 'w' });
  expect(first.output).toEqual({ guilty: true });
  const again = await company.it.run('judged', { workflow_id: 'w' });
  expect(again.output).toEqual({ guilty: true });
  expect(await company.it.rows('select output from timestep.runs')).toEqual([
    { output: '{"guilty":true}' },
  ]);
});

test.each([false, true])('a session is read and added to, streamed: %s', async (stream) => {
  await company.it.script(says('hello'), says(call('look', 'c1', { n: 1 })), says('done'));
  await company.it.run('run', { workflow_id: 'v', session_id: 's', text: 'hi', stream });
  await company.it.run('run', { workflow_id: 'w', session_id: 's', stream });
  const [, asked] = await company.it.requests();
  const { input } = JSON.parse(String(asked?.body));
  expect(input.map(({ content }: { content: unknown }) => content)).toEqual([
    'hi',
    [expect.objectContaining({ text: 'hello' })],
    'please',
  ]);
  const rows = await company.it.rows<{ type: string; role: string | null }>(
    'select type, role from timestep.session_items order by item_id',
  );
  expect(rows.map(({ type, role }) => role ?? type)).toEqual([
    'user',
    'assistant',
    'user',
    'function_call',
    'function_call_output',
    'assistant',
  ]);
});

test('a run pauses and goes on in another process', async () => {
  await company.it.script(
    says(call('refund', 'c1', { n: 1 }), call('look', 'c2', { n: 2 })),
    says('done'),
  );
  const paused = await company.it.run('run', { workflow_id: 'w', approve: false });
  expect(paused).toMatchObject({ status: 'interrupted', interruptions: ['c1'] });
  expect(company.it.effects('end', 'refund')).toEqual([]);
  const answer = await company.it.run('run', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  expect(company.it.effects('end', 'refund')).toHaveLength(1);
  expect(company.it.effects('end', 'look')).toHaveLength(1);
});

test('a run goes on from its state', async () => {
  await company.it.script(
    says(call('refund', 'c1', { n: 1 }), call('refund', 'c2', { n: 2 })),
    says('done'),
  );
  await company.it.run('run', { workflow_id: 'w', approve: false });
  const answer = await company.it.run('by_state', { workflow_id: 'w', reject: ['c2'] });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  expect(company.it.effects('end', 'refund').map(([, , key]) => key)).toEqual(['w/c1']);
  const decided = 'select call_id, decision from timestep.tool_calls order by call_id';
  expect(await company.it.rows(decided)).toEqual([
    { call_id: 'c1', decision: 'approved' },
    { call_id: 'c2', decision: 'rejected' },
  ]);
});

test('a person may edit the arguments and decides once', async () => {
  await company.it.script(says(call('refund', 'c1', { n: 100 })), says('done'));
  await company.it.run('run', { workflow_id: 'w', approve: false });
  const answer = await company.it.run('edited', { workflow_id: 'w', arguments: { n: 5 } });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  expect(answer.conflict).toContain('approved already');
  expect(company.it.effects('end', 'refund').map(([, , , n]) => n)).toEqual([5]);
  const used = 'select arguments_asked, arguments_used from timestep.tool_calls';
  expect(await company.it.rows(used)).toEqual([
    { arguments_asked: '{"n":100}', arguments_used: '{"n":5}' },
  ]);
  const { input } = JSON.parse(String((await company.it.requests()).at(-1)?.body));
  expect(input.at(-2).arguments).toBe('{"n":100}');
  expect(input.at(-1).output).toBe(
    '[Called with arguments edited by a person: {"n":5}]\nrefunded 5',
  );
});

test('a call whose arguments are not those approved is not made', async () => {
  await company.it.script(says(call('refund', 'c1', { n: 1 })), says('done'));
  await company.it.run('run', { workflow_id: 'w', approve: false });
  await company.it.rows(
    `update timestep.approvals set arguments_sha256 = repeat('0', 64), status = 'approved',
      decided_at = now()`,
  );
  await company.it.run('run', { workflow_id: 'w' });
  expect(await company.it.rows('select status, error_type from timestep.runs')).toEqual([
    { status: 'failed', error_type: 'ArgumentsChangedError' },
  ]);
  expect(company.it.effects('start', 'refund')).toEqual([]);
});

test('what cannot be recorded is refused by name', async () => {
  await company.it.script();
  const messages = await company.it.run('refused', {});
  expect(messages.tool).toContain('agent "shell"');
  expect(messages.agent).toContain('agent "shell"');
  expect(messages.session).toContain('MemorySession');
  expect(messages.context).toContain('Date');
  expect(await company.it.rows('select run_id from timestep.runs')).toEqual([]);
});

test('a run is cancelled while a tool of it is under way', async () => {
  await company.it.script(says(call('slow', 'c1', { seconds: 20 })), says('done'));
  const answer = await company.it.run('cancelled', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'cancelled', first: true, second: false });
  expect(await company.it.rows('select key from timestep.steps')).toEqual([{ key: 'm::0' }]);
  expect(company.it.effects('end')).toEqual([]);
});

test('a run that takes longer than its time fails', async () => {
  await company.it.script(says(call('slow', 'c1', { seconds: 20 })), says('done'));
  const answer = await company.it.run('run', { workflow_id: 'w', timeout_seconds: 1 });
  expect(answer.error).toBe('TimeoutError');
  expect(await company.it.rows('select status, error_type from timestep.runs')).toEqual([
    { status: 'failed', error_type: 'TimeoutError' },
  ]);
});

test('removed runs leave nothing behind', async () => {
  await company.it.script(says(call('refund', 'c1', { n: 1 })), says('done'));
  expect((await company.it.run('removed', { workflow_id: 'w' })).removed).toBe(1);
  for (const table of ['runs', 'steps', 'approvals', 'run_states', 'sessions']) {
    expect(await company.it.rows(`select from timestep.${table}`)).toEqual([]);
  }
  expect(await company.it.rows('select workflow_uuid from dbos.workflow_status')).toEqual([]);
});

test.each([false, true])('nothing escapes the record, streamed: %s', async (stream) => {
  // a model object, a local MCP server, and an agent that a tool runs by itself
  await company.it.script(
    says(call('ask', 'c1'), call('shelve', 'c2', { n: 1 })),
    says('helped'),
    says('done'),
  );
  const answer = await company.it.run('librarian', { workflow_id: 'w', stream });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  expect(await company.it.rows('select key, name from timestep.steps order by key')).toEqual([
    { key: 'm:/c1:0', name: 'default' },
    { key: 'm::0', name: 'gpt-object' },
    { key: 'm::1', name: 'gpt-object' },
    { key: 't:/c1', name: 'ask' },
    { key: 't:/c2', name: 'shelve' },
  ]);
});

test('a recorded call of an MCP server is not made again', async () => {
  await company.it.script(
    says(call('shelve', 'c1', { n: 1 })),
    says(call('shelve', 'c2', { n: 2 })),
    says('done'),
  );
  expect(await company.it.runKilled('inside:2', { workflow_id: 'w' }, 'librarian')).toBe(true);
  await company.it.rewindScript();
  const answer = await company.it.run('librarian', { workflow_id: 'w' });
  expect(answer.output).toBe('done');
  expect(company.it.effects('end').map(([, , , n]) => n)).toEqual([1, 2, 2]);
});

test('an approval that would reach two calls reaches none', async () => {
  await company.it.script(
    says(call('research', 'c1', { input: '?' }), call('research', 'c2', { input: '?' })),
    says(call('risky', 'x1', { n: 1 })),
    says(call('risky', 'x1', { n: 2 })),
  );
  const paused = await company.it.run('run', { workflow_id: 'w', approve: false });
  expect(paused.interruptions).toEqual(['x1', 'x1']);
  expect((await company.it.run('run', { workflow_id: 'w' })).error).toBe('UserError');
  expect(company.it.effects()).toEqual([]);
});
