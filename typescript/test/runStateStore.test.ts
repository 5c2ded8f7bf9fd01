/** RunStateStore: versions, what is loaded, what is refused. */

import { Agent, hostedMcpTool, tool, UserError } from '@openai/agents';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  AgentMismatchError,
  ConfigurationError,
  RunStateNotFoundError,
  RunStateStore,
  runAgent,
  StateConflictError,
} from '../src/index.ts';
import { administer } from './support/databases.ts';
import { ASK, aWorld, DONE, Refunds, turn } from './support/refunds.ts';

const world = aWorld();

function storeOf(agent = new Refunds().agent, options = {}): RunStateStore {
  return new RunStateStore({ agent, sessionId: 's-1', ...options });
}

async function paused(agent = new Refunds().agent, context: unknown = {}) {
  await world.model.script('refunds', [turn(ASK), turn(DONE)]);
  const rest = [undefined, false, undefined, undefined, { context }] as const;
  return (await runAgent(agent, 'Refund 4711', ...rest)).state;
}

function rows<Row extends object>(sql: string): Promise<Row[]> {
  return administer<Row>(world.database.url, sql);
}

test('versions count up and the same state is one version', async () => {
  const store = storeOf();
  const state = await paused();
  expect([await store.save(state), await store.save(state)]).toEqual([1, 1]);
  state.approve(state.getInterruptions()[0] as never);
  expect(await store.save(state)).toBe(2);
  expect(await storeOf().save(state)).toBe(2);
});

test('a loaded state is the saved one', async () => {
  const state = await paused();
  state.reject(state.getInterruptions()[0] as never, { message: 'Not today' });
  await storeOf().save(state);
  const loaded = await storeOf().load();
  // Tracing is off here, and the SDK itself does not restore a trace that was never recorded.
  const saved = (each: typeof state) =>
    JSON.parse(JSON.stringify({ ...each.toJSON(), trace: undefined, currentAgentSpan: undefined }));
  expect(saved(loaded)).toEqual(saved(state));
});

test('an older version can still be read', async () => {
  const store = storeOf();
  const state = await paused();
  await store.save(state);
  state.approve(state.getInterruptions()[0] as never);
  await store.save(state);
  const old = await store.load({ version: 1 });
  expect(old.getInterruptions()).toHaveLength(1);
  await expect(runAgent(store.agent, old)).rejects.toThrow(/newer version/);
  await expect(store.load({ version: 7 })).rejects.toThrow(/version 7/);
});

test('what a newer SDK wrote is loaded from the document for both languages', async () => {
  const refunds = new Refunds();
  const store = storeOf(refunds.agent);
  await store.save(await paused(store.agent as never));
  await rows("update timestep.run_states set native_schema_version = '1.99', native = '{}'");
  const state = await store.load();
  state.approve(state.getInterruptions()[0] as never);
  expect((await runAgent(store.agent, state)).finalOutput).toBe('Done.');
  expect(refunds.done).toEqual(['refund 4711']);
});

test('a session without a saved run is named with its database', async () => {
  const store = new RunStateStore({ agent: new Refunds().agent, sessionId: 'nowhere' });
  await expect(store.load()).rejects.toThrow(/session nowhere.*PG_CONNECTION_URI/);
});

test('after clear nothing is there, and a closed store opens again', async () => {
  await using store = storeOf();
  await store.save(await paused());
  await store.close();
  await store.close();
  expect((await store.load()).getInterruptions()).toHaveLength(1);
  await store.clear();
  await expect(store.load()).rejects.toThrow(RunStateNotFoundError);
  expect(await rows('select * from timestep.approvals')).toEqual([]);
});

test('a state that another process moved on is not saved', async () => {
  const [mine, theirs] = [storeOf(), storeOf()];
  await mine.save(await paused());
  const [one, other] = [await mine.load(), await theirs.load()];
  one.approve(one.getInterruptions()[0] as never);
  await mine.save(one);
  other.reject(other.getInterruptions()[0] as never);
  await expect(theirs.save(other)).rejects.toThrow(StateConflictError);
});

test('save takes a state only', async () => {
  const result = await runAgent(new Refunds().agent, (await paused()) as never);
  await expect(storeOf().save(result as never)).rejects.toThrow(ConfigurationError);
});

test('the approval that is asked for is a row', async () => {
  await storeOf().save(await paused());
  expect(
    await rows(
      `select session_id, version::int, kind, agent, tool, arguments, status
         from timestep.approvals`,
    ),
  ).toEqual([
    {
      session_id: 's-1',
      version: 1,
      kind: 'function',
      agent: 'assistant',
      tool: 'send_refund',
      arguments: '{"order":"4711"}',
      status: 'pending',
    },
  ]);
});

test('a call that waits in two runs is saved, and never approved for both', async () => {
  const refunds = new Refunds();
  const helper = refunds.agent.asTool({ toolName: 'ask_assistant', toolDescription: 'Ask' });
  const desk = new Agent({ name: 'desk', model: 'gpt-4.1', tools: [helper] });
  const ask = { type: 'function_call', name: 'ask_assistant', arguments: { input: '4711' } };
  const twin = turn({ ...ASK, call_id: 'call_1' });
  const done = turn(DONE);
  const store = storeOf(desk as never);
  await world.model.script('refunds', [turn(ask, ask), twin, twin, done, done, done]);
  await store.save((await runAgent(desk, 'Refund 4711')).state);

  const state = await store.load();
  expect(await rows('select arguments, status from timestep.approvals')).toEqual(
    Array(2).fill({ arguments: '{"order":"4711"}', status: 'pending' }),
  );
  state.approve(state.getInterruptions()[0] as never);
  await expect(runAgent(desk, state)).rejects.toThrow(UserError);
  expect(refunds.done).toEqual([]);

  const always = await store.load();
  always.approve(always.getInterruptions()[0] as never, { alwaysApprove: true });
  expect((await runAgent(desk, always)).finalOutput).toBe('Done.');
  expect(refunds.done).toEqual(['refund 4711', 'refund 4711']);
});

test('a run whose tool is gone is not loaded', async () => {
  await storeOf().save(await paused());
  const error = await storeOf(new Agent({ name: 'assistant' }) as never)
    .load()
    .catch((caught) => caught);
  expect(error).toBeInstanceOf(AgentMismatchError);
  expect(error.message).toContain('send_refund');
});

test('a run whose agent has another name is not loaded', async () => {
  await storeOf().save(await paused());
  const other = new Agent({ name: 'helper', tools: new Refunds().tools() });
  await expect(storeOf(other as never).load()).rejects.toThrow(AgentMismatchError);
});

test('a run whose tool takes other arguments is not loaded', async () => {
  await storeOf().save(await paused());
  const changed = tool({
    name: 'send_refund',
    description: '',
    parameters: z.object({ order: z.string(), cents: z.int() }),
    needsApproval: true,
    execute: async () => '',
  });
  const agent = new Agent({ name: 'assistant', tools: [changed] });
  await expect(storeOf(agent as never).load()).rejects.toThrow(/order: string[\s\S]*cents: /);
});

class Customer {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

test('a context of any kind travels with its serializer', async () => {
  const store = storeOf(undefined, {
    contextSerializer: ({ name }: Customer) => ({ name }),
    contextDeserializer: ({ name }: { name: string }) => new Customer(name),
  });
  await store.save(await paused(undefined, new Customer('Ann')));
  const state = await store.load();
  expect(state._context.context).toEqual(new Customer('Ann'));
});

test('a context that cannot be saved is left out, and has to be given again', async () => {
  const refunds = new Refunds();
  const store = storeOf(refunds.agent);
  const ann = new Customer('Ann');
  await store.save(await paused(store.agent as never, ann));
  const [row] = await rows<{ envelope: string | null; not_portable_reason: string }>(
    'select envelope, not_portable_reason from timestep.run_states',
  );
  expect(row?.envelope).toBeNull();
  expect(row?.not_portable_reason).toMatch(/context is a Customer.*contextSerializer/);

  await expect(store.load()).rejects.toThrow(ConfigurationError);
  await expect(store.load()).rejects.toThrow(/was a Customer.*load\({ context }\)/);
  const state = await store.load({ context: ann });
  expect(state._context.context).toBe(ann);
  state.approve(state.getInterruptions()[0] as never);
  expect((await runAgent(store.agent, state)).finalOutput).toBe('Done.');
  expect(refunds.done).toEqual(['refund 4711']);
});

test('a context given at load takes the place of the saved one', async () => {
  await storeOf().save(await paused(undefined, { name: 'Ann' }));
  const state = await storeOf().load({ context: { name: 'Bob' } });
  expect(state._context.context).toEqual({ name: 'Bob' });
});

test('what only TypeScript can resume is saved with the reason', async () => {
  const twin = new Agent({ name: 'assistant', handoffDescription: 'another of the same name' });
  const agent = new Agent({
    name: 'assistant',
    model: 'gpt-4.1',
    tools: new Refunds().tools(),
    handoffs: [twin],
  });
  const store = storeOf(agent as never);
  await store.save(await paused(agent as never));
  const [row] = await rows<{ envelope: string | null; not_portable_reason: string }>(
    'select envelope, not_portable_reason from timestep.run_states',
  );
  expect(row?.envelope).toBeNull();
  expect(row?.not_portable_reason).toContain('assistant');
  const state = await store.load();
  state.approve(state.getInterruptions()[0] as never);
  expect((await runAgent(agent, state)).finalOutput).toBe('Done.');
});

test('keys and headers of hosted servers are not saved', async () => {
  const request = {
    type: 'mcp_approval_request',
    id: 'mcpr_1',
    server_label: 'shop',
    name: 'refund',
    arguments: '{}',
  };
  const shop = hostedMcpTool({
    serverLabel: 'shop',
    serverUrl: 'https://shop.example/mcp',
    authorization: 'very-secret',
    headers: { 'X-Key': 'very-secret' },
    requireApproval: 'always',
  });
  const agent = new Agent({ name: 'assistant', model: 'gpt-4.1', tools: [shop] });
  await world.model.script('refunds', [turn(request), turn(DONE)]);
  const { state } = await runAgent(agent, 'Refund 4711');
  await storeOf(agent as never).save(state);
  expect(JSON.stringify(await rows('select * from timestep.run_states'))).not.toContain(
    'very-secret',
  );
  const loaded = await storeOf(agent as never).load();
  loaded.approve(loaded.getInterruptions()[0] as never);
  expect((await runAgent(agent, loaded)).finalOutput).toBe('Done.');
});
