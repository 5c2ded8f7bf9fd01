/** Tools that run at most once and ask a person about a call whose process died in it. */

import { Agent, tool } from '@openai/agents';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { durableTool, markAtMostOnce } from '../../src/durable/index.ts';
import { OUTCOME_UNKNOWN } from '../../src/durable/unknownOutcome.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { aCompany, call, says } from '../support/durable.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();

const PAY = says(call('pay', 'c1', { n: 1 }));
const TRANSFER = says(call('transfer', 'c1', { n: 1 }));
const DONE = says('done');
const RUN = { workflow_id: 'w' };

/** How often the tool was called, all told. */
const calls = (name: string) => company.it.effects('start', name).length;

/** Lets a process begin the call and die in it. */
async function crashed(command = 'run', given: object = {}, kill = 'inside:1'): Promise<void> {
  expect(await company.it.runKilled(kill, { ...RUN, ...given }, command)).toBe(true);
  await company.it.rewindScript();
}

const asked = () =>
  company.it.rows(
    `select call_id, status, decision from timestep.tool_calls
      where reason = 'outcome_unknown' order by call_id`,
  );

/** What the model was told of the call. */
async function told(): Promise<string> {
  const last = (await company.it.requests()).at(-1);
  const items: { type: string; call_id: string; output: string }[] = JSON.parse(
    String(last?.body),
  ).input;
  const outputs = items.filter(({ type }) => type === 'function_call_output');
  return String(outputs.find(({ call_id }) => call_id === 'c1')?.output);
}

/** Runs again, up to the question. */
async function waits(callId = 'c1'): Promise<void> {
  const paused = await company.it.run('run', { ...RUN, approve: false });
  expect(paused).toMatchObject({ status: 'interrupted', interruptions: [callId] });
  expect(await asked()).toEqual([{ call_id: callId, status: 'waiting', decision: 'pending' }]);
}

async function waiting(): Promise<void> {
  await company.it.script(PAY, DONE);
  await crashed();
  await waits();
  expect(calls('pay')).toBe(1);
}

const decide = (decision: object) => company.it.run('decide', { ...RUN, ...decision });

test('approved it is called again', async () => {
  await waiting();
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed', output: 'done' }]);
  expect(company.it.effects('start', 'pay').map(([, , key]) => key)).toEqual(['w/c1', 'w/c1']);
  expect(await told()).toBe('paid 1');
  expect(await asked()).toEqual([{ call_id: 'c1', status: 'done', decision: 'approved' }]);
});

test('approved with other arguments it is called with those', async () => {
  await waiting();
  await decide({ approve: true, arguments: { n: 5 } });
  expect(company.it.effects('start', 'pay').map(([, , , n]) => n)).toEqual([1, 5]);
});

test.each([['It was paid; number 77.'], [undefined]])(
  'rejected with the message %s it is not called again',
  async (message) => {
    await waiting();
    const answer = await decide({ approve: false, message });
    expect(answer).toMatchObject([{ status: 'completed', output: 'done' }]);
    expect(calls('pay')).toBe(1);
    expect(await told()).toBe(message ?? OUTCOME_UNKNOWN);
    expect(await asked()).toEqual([{ call_id: 'c1', status: 'unknown', decision: 'rejected' }]);
  },
);

test('rejected on its state without a message it is not told as never called', async () => {
  await waiting();
  const answer = await company.it.run('by_state', { ...RUN, reject: ['c1'], message: null });
  expect(answer).toMatchObject({ status: 'completed' });
  expect(calls('pay')).toBe(1);
  expect(await told()).toBe(OUTCOME_UNKNOWN);
});

test('a second death asks again', async () => {
  await waiting();
  await crashed('decide', { approve: true });
  expect(calls('pay')).toBe(2);
  await waits();
  expect(calls('pay')).toBe(2);
  await decide({ approve: false, message: 'Leave it.' });
  expect(calls('pay')).toBe(2);
  expect(await told()).toBe('Leave it.');
});

test.each(['decide', 'by_state'])(
  'a tool that was approved before by %s asks all the same',
  async (command) => {
    await company.it.script(TRANSFER, DONE);
    await company.it.run('run', { ...RUN, approve: false });
    expect(await asked()).toEqual([]);
    await crashed(command, { approve: true });
    await waits();
    expect(calls('transfer')).toBe(1);
    await company.it.run(command, { ...RUN, approve: true });
    expect(calls('transfer')).toBe(2);
    expect(await company.it.rows('select status from timestep.runs')).toEqual([
      { status: 'completed' },
    ]);
  },
);

test('an approval for every call is none for a call of unknown outcome', async () => {
  await company.it.script(TRANSFER, says(call('transfer', 'c2', { n: 2 })), DONE);
  await company.it.run('run', { ...RUN, approve: false });
  await crashed('decide', { approve: true, always: true }, 'inside:2');
  await waits('c2');
  expect(company.it.effects('start').map(([, , key]) => key)).toEqual(['w/c1', 'w/c2']);
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed' }]);
  expect(calls('transfer')).toBe(3);
});

test('an agent as a tool asks from inside', async () => {
  const inside = says(call('pay', 'n1', { n: 1 }));
  await company.it.script(
    says(call('research', 'c1', { input: '?' })),
    inside,
    says('found'),
    DONE,
  );
  await crashed();
  await waits('n1');
  expect(calls('pay')).toBe(1);
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed', output: 'done' }]);
  expect(company.it.effects('start', 'pay').map(([, , key]) => key)).toEqual([
    'w/c1/n1',
    'w/c1/n1',
  ]);
});

test('an approval for every call inside an agent as a tool is none either', async () => {
  const inside = [1, 2].map((n) => says(call('transfer', `n${n}`, { n })));
  const research = says(call('research', 'c1', { input: '?' }));
  await company.it.script(research, ...inside, says('found'), DONE);
  await company.it.run('run', { ...RUN, approve: false });
  await crashed('decide', { approve: true, always: true }, 'inside:2');
  await waits('n2');
  expect(company.it.effects('start').map(([, , key]) => key)).toEqual(['w/c1/n1', 'w/c1/n2']);
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed' }]);
  expect(calls('transfer')).toBe(3);
});

test('an approval for every call that was given before another pause is none either', async () => {
  const inside = ['transfer', 'risky', 'transfer'].map((name, n) =>
    says(call(name, `n${n}`, { n })),
  );
  const research = says(call('research', 'c1', { input: '?' }));
  await company.it.script(research, ...inside, says('found'), DONE);
  await company.it.run('run', { ...RUN, approve: false });
  await decide({ approve: true, always: true });
  await crashed('decide', { approve: true }, 'inside:2');
  await waits('n2');
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed', output: 'done' }]);
  expect(company.it.effects('start', 'transfer').map(([, , key]) => key)).toEqual([
    'w/c1/n0',
    'w/c1/n2',
    'w/c1/n2',
  ]);
});

test('a nested run that ended before its process died is not in the way of the next pause', async () => {
  const research = (id: string) => says(call('research', id, { input: '?' }));
  const risky = (id: string) => says(call('risky', id, { n: 1 }));
  const pay = says(call('pay', 'p', { n: 1 }));
  const turns = [research('c1'), risky('n1'), says('found'), pay, research('c2'), risky('n2')];
  await company.it.script(...turns, DONE, DONE);
  await company.it.run('run', { ...RUN, approve: false });
  await crashed('decide', { approve: true }, 'inside:2');
  await waits('p');
  expect(await decide({ approve: true })).toMatchObject([
    { status: 'interrupted', interruptions: ['n2'] },
  ]);
  expect(await decide({ approve: true })).toMatchObject([{ status: 'completed', output: 'done' }]);
  expect(company.it.effects('start', 'risky').map(([, , key]) => key)).toEqual([
    'w/c1/n1',
    'w/c2/n2',
  ]);
});

test('an undisturbed call asks nobody', async () => {
  await company.it.script(PAY, DONE);
  const answer = await company.it.run('run', { ...RUN, approve: false });
  expect(answer).toMatchObject({ status: 'completed' });
  expect(calls('pay')).toBe(1);
  expect(await company.it.rows('select approval_id from timestep.approvals')).toEqual([]);
});

test('what cannot be marked is refused', () => {
  const plain = tool({
    name: 'plain',
    description: '',
    parameters: z.object({}),
    execute: async () => '',
  });
  const inner = new Agent({ name: 'inner' }).asTool({ toolName: 'inner' });
  expect(() => markAtMostOnce(inner)).toThrow(ConfigurationError);
  expect(() => markAtMostOnce(inner)).toThrow(/runs an agent/);
  expect(() => durableTool(plain, { whenUnknown: 'ask' })).toThrow(/atMostOnce: true/);
  expect(() => markAtMostOnce(plain, { whenUnknown: 'hope' as never })).toThrow(/'tell' or 'ask'/);
  expect(() => markAtMostOnce((() => {}) as never)).toThrow(/a function tool of the SDK/);
});
