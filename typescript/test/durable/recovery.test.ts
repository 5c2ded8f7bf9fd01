/** Processes that die, and what the next one makes of their runs. */

import { expect, test } from 'vitest';
import { type Answer, aCompany, type Company, call, says } from '../support/durable.ts';

const company = aCompany();

const STEPS = [
  says(call('look', 'c1', { n: 1 }), call('mail', 'c2', { n: 2 })),
  says(call('research', 'c3', { input: '?' }), call('look', 'c4', { n: 4 })),
  says(call('fetch', 'n1', { n: 5 })),
  says('found'),
  says(call('look', 'c5', { n: 5 }), call('mail', 'c6', { n: 6 })),
  says(call('transfer_to_billing', 'c7')),
  says(call('look', 'c8', { n: 8 }), call('refund', 'c9', { n: 9 })),
  says('all done'),
];
const TOOLS = ['w/c1', 'w/c2', 'w/c3/n1', 'w/c4', 'w/c5', 'w/c6', 'w/c8', 'w/c9'];
const RUN = { workflow_id: 'w', session_id: 's' };

interface SessionRow {
  type: string;
  role: string | null;
  call_id: string | null;
  document: string;
}

/** The session; what is told of a call whose outcome is unknown is not what the call returns. */
async function session({ rows }: Company, at: Company): Promise<Partial<SessionRow>[]> {
  const found = await rows.call(
    at,
    'select type, role, call_id, document from timestep.session_items order by item_id',
  );
  const unknown = await at.rows<{ call_id: string }>(
    `select call_id from timestep.steps where status = 'unknown'`,
  );
  return (found as SessionRow[]).map(({ document, ...row }) => {
    const isUnknown = unknown.some(({ call_id }) => call_id === row.call_id);
    return isUnknown && row.type === 'function_call_output' ? row : { ...row, document };
  });
}

/** A run that nobody disturbed. */
const undisturbed = {} as { answer: Answer; session: Partial<SessionRow>[] };

async function oneRun(kill: string, more: { stream?: boolean } = {}): Promise<boolean> {
  await company.it.script(...STEPS);
  const killed = await company.it.runKilled(kill, { ...RUN, ...more });
  if (killed) await company.it.rewindScript();
  const answer = await company.it.run('run', { ...RUN, ...more });
  if (killed) await check(answer);
  else Object.assign(undisturbed, { answer, session: await session(company.it, company.it) });
  return killed;
}

/** Checks a disturbed run against one that was not disturbed. */
async function check(answer: Answer): Promise<void> {
  expect({ ...answer, turns: 0 }).toEqual(undisturbed.answer);
  const items = await session(company.it, company.it);
  expect(items).toHaveLength(undisturbed.session.length);
  expect(undisturbed.session).toMatchObject(items);
  expect(await company.it.modelCalls()).toBeLessThanOrEqual(STEPS.length + 1);
  const ended = company.it.effects('end').map(([, , key]) => key);
  expect(TOOLS).toEqual(expect.arrayContaining([...new Set(ended)]));
  const repeated = new Set(ended.filter((key, i) => ended.indexOf(key) !== i));
  expect(repeated.size, 'only what was in flight may be made again').toBeLessThanOrEqual(2);
  const mails = company.it.effects('start', 'mail').map(([, , key]) => key);
  expect(new Set(mails).size, 'a mail was sent twice').toBe(mails.length);
}

test('a run that is not disturbed', async () => {
  expect(await oneRun('never:0')).toBe(false);
  expect(undisturbed.answer.output).toBe('all done');
  expect(undisturbed.session).toHaveLength(20);
});

// conformance/durable kills at every moment; here are one of each kind
test.each(['inside:2', 'before:12', 'after:20'])(
  'a run that is killed at %s is finished by another process',
  async (moment) => {
    expect(await oneRun(moment)).toBe(true);
  },
);

test('a streamed run that is killed is finished by another process', async () => {
  expect(await oneRun('after:14', { stream: true })).toBe(true);
});

test('a tool that runs at most once is not called again, and the model is told', async () => {
  await company.it.script(says(call('mail', 'c1', { n: 1 })), says('done'));
  expect(await company.it.runKilled('inside:1', { workflow_id: 'w' })).toBe(true);
  await company.it.rewindScript();
  const answer = await company.it.run('run', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'completed', output: 'done' });
  expect(company.it.effects('start', 'mail')).toHaveLength(1);
  expect(await company.it.rows(`select key from timestep.steps where status = 'unknown'`)).toEqual([
    { key: 't:/c1' },
  ]);
  const { input } = JSON.parse(String((await company.it.requests()).at(-1)?.body));
  const told = input.find((item: { call_id?: string; type: string }) => {
    return item.call_id === 'c1' && item.type === 'function_call_output';
  });
  expect(told.output).toMatch(/^The outcome of this call is unknown/);
});

test('the loop goes on from the last turn', async () => {
  await company.it.script(...STEPS);
  await company.it.run('run', { workflow_id: 'whole', session_id: 'a' });
  const asked = (await company.it.requests()).map(({ body }) => JSON.parse(String(body)).input);
  await company.it.script(...STEPS);
  expect(await company.it.runKilled('inside:7', { workflow_id: 'w', session_id: 'b' })).toBe(true);
  await company.it.rewindScript();
  const answer = await company.it.run('run', { workflow_id: 'w', session_id: 'b' });
  expect(answer.output).toBe('all done');
  // recorded: the turn in flight (its call of look was under way); asked: the last turn
  expect(answer.turns).toBe(2);
  const again = (await company.it.requests()).map(({ body }) => JSON.parse(String(body)).input);
  expect(again).toEqual(asked.slice(-1));
});

test('a call id of an earlier turn is no answer to a later call', async () => {
  await company.it.script(
    says(call('look', 'c1', { n: 1 })),
    says(call('look', 'c2', { n: 2 })),
    says(call('look', 'c1', { n: 1 })),
    says('done'),
  );
  expect(await company.it.runKilled('inside:2', { workflow_id: 'w' })).toBe(true);
  await company.it.rewindScript();
  const answer = await company.it.run('run', { workflow_id: 'w' });
  expect(answer.error).toBe('NotDurableError');
  expect(answer.message).toContain('t:/c1');
});

test('a run starts although DBOS knows its id from before', async () => {
  await company.it.script(says('one'), says('two'));
  await company.it.run('run', { workflow_id: 'w' });
  await company.it.rows('delete from timestep.runs');
  expect((await company.it.run('run', { workflow_id: 'w' })).output).toBe('two');
});
