/** runAgent: what it takes, what it returns, and what becomes of a saved run. */

import {
  Agent,
  type AgentInputItem,
  MemorySession,
  OutputGuardrailTripwireTriggered,
  Runner,
  RunResult,
  StreamedRunResult,
} from '@openai/agents';
import { describe, expect, test } from 'vitest';
import {
  defaultResultProcessor,
  RunStateNotFoundError,
  RunStateStore,
  runAgent,
  Session,
  StateConflictError,
} from '../src/index.ts';
import { administer } from './support/databases.ts';
import {
  ASK,
  approved,
  aWorld,
  BROKEN,
  DONE,
  NOTE,
  NOTE_AGAIN,
  pause,
  Refunds,
  turn,
} from './support/refunds.ts';
import { until } from './support/until.ts';

const world = aWorld();

function kinds(items: AgentInputItem[]): (string | undefined)[] {
  return items.map((item) => ('role' in item ? item.role : item.type));
}

function setting(refunds = new Refunds()) {
  const session = new Session();
  const store = new RunStateStore({ agent: refunds.agent, sessionId: session.sessionId });
  return { refunds, session, store };
}

describe.each([false, true])('streamed: %s', (stream) => {
  test('text gives the result of the SDK itself', async () => {
    await world.model.script('refunds', [turn(DONE)]);
    const result = await runAgent(new Refunds().agent, 'Hello', undefined, stream);
    expect(result).toBeInstanceOf(stream ? StreamedRunResult : RunResult);
    expect(result.finalOutput).toBe('Done.');
  });

  test('of two who resume one version the second is refused', async () => {
    await world.model.script('refunds', [turn(ASK), turn(DONE)]);
    const { refunds, session, store } = setting();
    await pause(store, session, stream);
    const [first, second] = [await approved(store), await approved(store)];
    await runAgent(store.agent, first, session, stream);
    await expect(runAgent(store.agent, second, session, stream)).rejects.toThrow(/resumed already/);
    expect(refunds.done).toEqual(['refund 4711']);
  });

  test('the next pause is saved by itself', async () => {
    const again = { ...ASK, arguments: { order: '4712' } };
    await world.model.script('refunds', [turn(ASK), turn(again), turn(DONE)]);
    const { refunds, session, store } = setting();
    await pause(store, session, stream);
    let result = await runAgent(store.agent, await approved(store), session, stream);
    expect(result.interruptions).toHaveLength(1);
    expect(await store.save(result.state)).toBe(2); // the version that is there already
    const other = new RunStateStore({ agent: store.agent, sessionId: session.sessionId });
    result = await runAgent(store.agent, await approved(other), session, stream);
    expect(result.finalOutput).toBe('Done.');
    expect(refunds.done).toEqual(['refund 4711', 'refund 4712']);
  });

  test.each([0, 1, 2])(
    'calls that ran do not run again after an error, %i turns later',
    async (turns) => {
      const notes = Array.from({ length: turns }, () => turn(NOTE_AGAIN));
      await world.model.script('refunds', [turn(ASK, NOTE), ...notes, BROKEN, turn(DONE)]);
      const { refunds, session, store } = setting();
      await pause(store, session, stream);
      const state = await approved(store);
      await expect(runAgent(store.agent, state, session, stream)).rejects.toThrow('boom');
      const result = await runAgent(store.agent, await store.load(), session, stream);
      expect(result.finalOutput).toBe('Done.');
      const repeated = Array.from({ length: turns }, () => 'note second');
      expect(refunds.done.toSorted()).toEqual(['note first', ...repeated, 'refund 4711']);
      const items = (await session.getItems()) as { type?: string; callId?: string }[];
      const ids = (type: string) =>
        items.filter((item) => item.type === type).map(({ callId }) => callId);
      expect(ids('function_call').toSorted()).toEqual(ids('function_call_result').toSorted());
      expect(new Set(ids('function_call')).size).toBe(2 + turns);
      const bodies = (await world.model.requests('refunds')).map(
        ({ body }) => JSON.parse(body).input,
      );
      expect(bodies.at(-1)).toEqual(bodies.at(-2)); // asked again what it was asked when it failed
    },
  );

  test('a run whose output a guardrail refused has ended', async () => {
    await world.model.script('refunds', [turn(ASK), turn(DONE)]);
    const refunds = new Refunds();
    const never = {
      name: 'never',
      execute: async () => ({ outputInfo: null, tripwireTriggered: true }),
    };
    const agent = new Agent({
      name: 'assistant',
      model: 'gpt-4.1',
      tools: refunds.tools(),
      outputGuardrails: [never],
    });
    const store = new RunStateStore({ agent });
    await store.save((await runAgent(agent, 'Refund 4711')).state);
    await expect(runAgent(agent, await approved(store), undefined, stream)).rejects.toThrow(
      OutputGuardrailTripwireTriggered,
    );
    await expect(store.load()).rejects.toThrow(/has ended/);
    expect(refunds.done).toEqual(['refund 4711']);
  });

  test('a run that was stopped can go on', async () => {
    await world.model.script('refunds', [turn(ASK), { ...turn(DONE), hold: 'answer' }, turn(DONE)]);
    const { refunds, session, store } = setting();
    await pause(store, session, stream);
    const stop = new AbortController();
    const run = runAgent(
      store.agent,
      await approved(store),
      session,
      stream,
      undefined,
      undefined,
      { signal: stop.signal },
    ).then(
      () => 'ended',
      () => 'threw',
    );
    await world.model.waitUntilHeld('refunds', 'answer');
    stop.abort();
    expect(['ended', 'threw']).toContain(await run);
    await world.model.release('refunds', 'answer');
    await until(async () => (await versions()).at(-1)?.status === 'saved', 'progress is saved');
    const result = await runAgent(store.agent, await store.load(), session, stream);
    expect(result.finalOutput).toBe('Done.');
    expect(refunds.done).toEqual(['refund 4711']);
  });
});

test('items of the SDK and of the Responses API are both taken', async () => {
  await world.model.script('refunds', [turn(DONE)]);
  const wire = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
  ];
  await runAgent(new Refunds().agent, wire);
  const [request] = await world.model.requests('refunds');
  expect(JSON.parse(request?.body ?? '').input).toEqual(wire);
});

test('an approved call runs once and the run is done', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { refunds, session, store } = setting();
  await pause(store, session);
  const result = await runAgent(store.agent, await approved(store), session);
  expect([result.finalOutput, refunds.done]).toEqual(['Done.', ['refund 4711']]);
  expect(kinds(await session.getItems())).toEqual([
    'user',
    'function_call',
    'function_call_result',
    'assistant',
  ]);
  expect(await versions()).toEqual([{ version: 1, status: 'done' }]);
  const approvals = await administer(
    world.database.url,
    'select tool, arguments, status from timestep.approvals',
  );
  expect(approvals).toEqual([
    { tool: 'send_refund', arguments: '{"order":"4711"}', status: 'approved' },
  ]);
  await expect(store.load()).rejects.toThrow(/its last run has ended/);
});

test('a run under way cannot be resumed a second time', async () => {
  await world.model.script('refunds', [turn(ASK), { ...turn(DONE), hold: 'answer' }]);
  const { refunds, session, store } = setting();
  await pause(store, session);
  const second = await approved(store);
  const run = runAgent(store.agent, await approved(store), session);
  await world.model.waitUntilHeld('refunds', 'answer');
  await expect(runAgent(store.agent, second, session)).rejects.toThrow(/right now/);
  await world.model.release('refunds', 'answer');
  expect((await run).finalOutput).toBe('Done.');
  expect(refunds.done).toEqual(['refund 4711']);
});

test('a state saved and resumed in memory is done for everybody', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { store } = setting();
  const { state } = await pause(store);
  state.approve(state.getInterruptions()[0] as never);
  await runAgent(store.agent, state);
  await expect(store.load()).rejects.toThrow(RunStateNotFoundError);
});

test('the lease of a dead process is taken over without its items', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { session, store } = setting();
  await pause(store, session);
  const dead = '00000000-0000-4000-8000-000000000001';
  await administer(
    world.database.url,
    `update timestep.run_states set status = 'claimed', claim_token = '${dead}',
       claim_expires_at = now() - interval '1 second';
     insert into timestep.session_items
       (session_id, append_key, append_position, written_by, type, document)
       values ('${session.sessionId}', 'k', 1, '${dead}', 'message', '{}')`,
  );
  const result = await runAgent(store.agent, await approved(store), session);
  expect(result.finalOutput).toBe('Done.');
  expect(await session.getItems()).toHaveLength(4);
});

test('without a processor the stream is the caller’s', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { session, store } = setting();
  await pause(store, session);
  const result = await runAgent(store.agent, await approved(store), session, true, null);
  let events = 0;
  for await (const _ of result) events += 1;
  await result.completed;
  expect(events).toBeGreaterThan(0);
  expect(result.finalOutput).toBe('Done.');
  await until(async () => (await versions())[0]?.status === 'done', 'the run is done');
});

test('what a processor returns is returned', async () => {
  await world.model.script('refunds', [turn(DONE), turn(DONE)]);
  const { agent } = new Refunds();
  const output = await runAgent(agent, 'Hi', undefined, false, (result) => result.finalOutput);
  expect(output).toBe('Done.');
  const seen: unknown[] = [];
  const result = await runAgent(agent, 'Hi', undefined, false, (each) => {
    seen.push(each);
  });
  expect(seen).toEqual([result]);
});

test('a runner of one’s own hears the run', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { session, store } = setting();
  await pause(store, session);
  const heard: string[] = [];
  const runner = new Runner();
  runner.on('agent_tool_end', () => heard.push('tool'));
  runner.on('agent_end', () => heard.push('end'));
  const rest = [session, false, undefined, undefined, { runner, maxTurns: 5 }] as const;
  await runAgent(store.agent, await approved(store), ...rest);
  expect(heard).toEqual(['tool', 'end']);
});

test('sessions of the SDK work', async () => {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const { store } = setting();
  const session = new MemorySession();
  await pause(store, session);
  const result = await runAgent(store.agent, await approved(store), session);
  expect([result.finalOutput, (await session.getItems()).length]).toEqual(['Done.', 4]);
});

test('the default processor throws what the stream throws', async () => {
  await world.model.script('refunds', [BROKEN]);
  const result = await runAgent(new Refunds().agent, 'Hi', undefined, true, null);
  await expect(defaultResultProcessor(result)).rejects.toThrow('boom');
});

test('a run that was taken over writes nothing more', async () => {
  await world.model.script('refunds', [turn(ASK), { ...turn(DONE), hold: 'answer' }]);
  const { session, store } = setting();
  await pause(store, session);
  const run = runAgent(store.agent, await approved(store), session).catch((error) => error);
  await world.model.waitUntilHeld('refunds', 'answer');
  await administer(
    world.database.url,
    "update timestep.run_states set claim_token = gen_random_uuid() where status = 'claimed'",
  );
  await world.model.release('refunds', 'answer');
  expect(await run).toBeInstanceOf(StateConflictError);
  expect(await versions()).toEqual([{ version: 1, status: 'claimed' }]);
  expect(kinds(await session.getItems())).not.toContain('assistant');
});

function versions() {
  return administer<{ version: number; status: string }>(
    world.database.url,
    'select version::int, status from timestep.run_states order by version',
  );
}
