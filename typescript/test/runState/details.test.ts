// biome-ignore-all lint/suspicious/noExplicitAny: runs of any agent, which the SDK's types cannot say
/** What a saved run holds, and what it refuses to hold, beyond going on as before. */

import { setTimeout } from 'node:timers/promises';
import {
  Agent,
  handoff,
  OpenAIProvider,
  type RunConfig,
  RunContext,
  Runner,
  RunState,
  setTraceProcessors,
  setTracingDisabled,
  tool,
} from '@openai/agents';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AgentMismatchError, NotPortableError } from '../../src/errors.ts';
import { pendingApprovals } from '../../src/runState/approvals.ts';
import { fromEnvelope } from '../../src/runState/fromEnvelope.ts';
import {
  isReadable,
  isTranslatable,
  nativeDocument,
  schemaVersion,
} from '../../src/runState/native.ts';
import { decode, type Envelope, encode } from '../../src/runState/record.ts';
import { toEnvelope } from '../../src/runState/toEnvelope.ts';
import { ModelServer, type Step } from '../../src/testing/index.ts';
import { type AnyAgent, type AnyState, approveAll, call, say } from './scenarios.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());
beforeEach(() => setTracingDisabled(true));

const settings = { model: 'gpt-test' };
const one = call('refund', { amount: 5 }, 'call_1');

function refund(options: Record<string, unknown> = {}) {
  return tool({
    name: 'refund',
    description: 'Pays.',
    parameters: z.object({ amount: z.number() }),
    needsApproval: true,
    execute: async ({ amount }) => `refunded ${amount}`,
    ...options,
  } as Parameters<typeof tool>[0]);
}

const shop = (options: Record<string, unknown> = {}): AnyAgent =>
  new Agent({ ...settings, name: 'shop', tools: [refund()], ...options });

let serial = 0;

async function scripted(steps: Step[], config: Partial<RunConfig> = {}, seed = 'details') {
  const id = `details${++serial}`;
  await server.script(id, steps, { seed });
  const modelProvider = new OpenAIProvider({
    apiKey: server.apiKey(id),
    baseURL: server.url,
    useResponses: true,
  });
  const bodies = async () => (await server.requests(id)).map(({ body }) => JSON.parse(body));
  return { runner: new Runner({ modelProvider, ...config }), bodies };
}

async function paused(
  agent: AnyAgent,
  steps: Step[] = [{ output: [one] }],
  options: any = {},
): Promise<AnyState> {
  const { runner } = await scripted(steps);
  return (await runner.run(agent, 'hello', options)).state;
}

const copy = (envelope: Envelope): Envelope => decode(encode(envelope));

describe('a run between two turns', () => {
  const steps: Step[] = [
    { output: [call('weather', { city: 'Genf' }, 'call_a')] },
    { output: [call('weather', { city: 'Bern' }, 'call_b')] },
    { output: [say('done')] },
  ];
  const agent = () =>
    shop({
      tools: [
        tool({
          name: 'weather',
          description: 'Tells.',
          parameters: z.object({ city: z.string() }),
          execute: async ({ city }) => `${city} grau`,
        }),
      ],
    });

  it("goes on with the same request, turn and result as from the SDK's own state", async () => {
    const snapshots: { own: string; shared: string }[] = [];
    const state = new RunState(new RunContext({}), 'hello', agent(), 7);
    const { runner } = await scripted(steps);
    await runner.run(agent(), state, {
      callModelInputFilter: ({ modelData }) => {
        snapshots.push({ own: state.toString(), shared: encode(toEnvelope(state)) });
        return modelData;
      },
    });
    expect(snapshots).toHaveLength(3);
    for (const [turn, { own, shared }] of snapshots.entries()) {
      expect(decode(shared)).toMatchObject({ status: 'run_again', turn });
      const expected = await finish(await RunState.fromString(agent(), own), turn);
      const actual = await finish(await fromEnvelope(decode(shared), agent()), turn);
      expect(actual).toEqual(expected);
    }
  });

  async function finish(state: AnyState, turn: number) {
    const { runner, bodies } = await scripted(steps.slice(turn), {}, `from turn ${turn}`);
    const result = await runner.run(agent(), state);
    return {
      bodies: await bodies(),
      output: result.finalOutput,
      turn: result.state._currentTurn,
      usage: result.state.usage.requests,
    };
  }
});

it('keeps the output of a run that has ended', async () => {
  const { runner } = await scripted([{ output: [say('done')] }]);
  const { state } = await runner.run(shop(), 'hello');
  const envelope = copy(toEnvelope(state));
  expect(envelope.status).toBe('terminal');
  const { runner: idle, bodies } = await scripted([]);
  const result = await idle.run(shop(), await fromEnvelope(envelope, shop()));
  expect(result.finalOutput).toBe('done');
  expect(await bodies()).toEqual([]);
});

it('goes on in the same trace', async () => {
  setTraceProcessors([]);
  setTracingDisabled(false);
  const { runner } = await scripted([{ output: [one] }], {
    workflowName: 'refunds',
    groupId: 'g',
    traceMetadata: { a: 'b' },
  });
  const { state } = await runner.run(shop(), 'hello');
  const envelope = copy(toEnvelope(state));
  expect(envelope.trace).toEqual({
    id: state._trace?.traceId,
    workflow_name: 'refunds',
    group_id: 'g',
    metadata: { a: 'b' },
  });
  const read = await fromEnvelope(envelope, shop());
  expect(read._trace?.traceId).toBe(envelope.trace?.id);
  approveAll(read);
  const { runner: next } = await scripted([{ output: [say('done')] }]);
  const result = await next.run(shop(), read);
  expect(result.finalOutput).toBe('done');
  expect(toEnvelope(result.state).trace).toEqual(envelope.trace);
});

describe('the context', () => {
  class Customer {
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }
  }

  it('of a class needs a serializer, and comes back through a deserializer', async () => {
    const state = await paused(shop(), undefined, { context: new Customer('Zoë') });
    expect(() => toEnvelope(state)).toThrow(NotPortableError);
    expect(() => toEnvelope(state)).toThrow('context is a Customer');
    const envelope = copy(
      toEnvelope(state, { contextSerializer: (context) => ({ ...(context as Customer) }) }),
    );
    expect(envelope.context).toEqual({ name: 'Zoë' });
    expect(state._context.context).toBeInstanceOf(Customer);
    const read = await fromEnvelope(envelope, shop(), {
      contextDeserializer: ({ name }) => new Customer(String(name)),
    });
    expect(read._context.context).toEqual(new Customer('Zoë'));
  });

  it('given to the reader takes the place of the saved one', async () => {
    const envelope = toEnvelope(await paused(shop(), undefined, { context: { a: 1 } }));
    const context = { b: 2 };
    expect((await fromEnvelope(envelope, shop(), { context }))._context.context).toBe(context);
    expect((await fromEnvelope(envelope, shop()))._context.context).toEqual({ a: 1 });
  });

  it('that no JSON can hold is refused with its path', async () => {
    const state = await paused(shop(), undefined, { context: { limits: [{ daily: Number.NaN }] } });
    expect(() => toEnvelope(state)).toThrow('context.limits[0].daily is NaN');
  });

  it('that is empty is left out, unless the run was loaded with one', async () => {
    const envelope = toEnvelope(await paused(shop()));
    expect(envelope).not.toHaveProperty('context');
    expect(toEnvelope(await fromEnvelope({ ...envelope, context: {} }, shop())).context).toEqual(
      {},
    );
  });
});

describe('the names of agents and tools', () => {
  it('that are missing are refused, and those that are there are listed', async () => {
    const envelope = toEnvelope(await paused(shop()));
    const renamed = fromEnvelope(envelope, shop({ name: 'store' }));
    await expect(renamed).rejects.toThrow(AgentMismatchError);
    await expect(renamed).rejects.toThrow(
      'needs an agent named "shop". From the agent "store" these can be reached: store',
    );
    const toolless = fromEnvelope(envelope, shop({ tools: [refund({ name: 'pay' })] }));
    await expect(toolless).rejects.toThrow(AgentMismatchError);
    await expect(toolless).rejects.toThrow(
      'needs the tool "refund" of agent "shop", which has pay',
    );
  });

  it('are found where handoffs and agents as tools lead', async () => {
    const build = (clerkName: string) => {
      const clerk = new Agent({ ...settings, name: clerkName, tools: [refund()] });
      return shop({ tools: [clerk.asTool({ toolName: 'ask', toolDescription: 'Asks.' })] });
    };
    const state = await paused(build('clerk'), [
      { output: [call('ask', { input: 'x' }, 'call_a')] },
      { output: [one] },
    ]);
    const envelope = toEnvelope(state);
    await expect(fromEnvelope(envelope, build('cleric'))).rejects.toThrow(
      'needs an agent named "clerk"',
    );
    expect((await fromEnvelope(envelope, build('clerk'))).getInterruptions()).toHaveLength(1);
  });

  it('of a handoff that waits must be there', async () => {
    const build = (handoffName: string) => {
      const clerk = new Agent({ ...settings, name: 'clerk' });
      return shop({ handoffs: [handoff(clerk, { toolNameOverride: handoffName })] });
    };
    const envelope = toEnvelope(
      await paused(build('to_clerk'), [{ output: [one, call('to_clerk', {}, 'call_h')] }]),
    );
    await expect(fromEnvelope(envelope, build('give_to_clerk'))).rejects.toThrow(
      'needs the handoff "to_clerk" of agent "shop", which has give_to_clerk',
    );
  });

  it('with other arguments than before are refused, and both are shown', async () => {
    const envelope = toEnvelope(await paused(shop()));
    const changed = shop({
      tools: [refund({ parameters: z.object({ amount: z.number(), currency: z.string() }) })],
    });
    const loading = fromEnvelope(envelope, changed);
    await expect(loading).rejects.toThrow(AgentMismatchError);
    await expect(loading).rejects.toThrow(
      'Saved: amount: number\nToday: amount: number, currency: string',
    );
    const described = shop({
      tools: [refund({ parameters: z.object({ amount: z.number().describe('In francs.') }) })],
    });
    expect(await fromEnvelope(envelope, described)).toBeInstanceOf(RunState);
  });

  it('of two agents must differ', async () => {
    const twin = () => new Agent({ ...settings, name: 'shop', tools: [refund()] });
    const clerk = new Agent({ ...settings, name: 'clerk', handoffs: [twin()] });
    const agent = shop({ handoffs: [clerk] });
    const state = await paused(agent, [
      { output: [call('transfer_to_clerk', {}, 'call_h')] },
      { output: [call('transfer_to_shop', {}, 'call_i')] },
      { output: [one] },
    ]);
    expect(() => toEnvelope(state)).toThrow('two agents have the name "shop"');
    const lone = toEnvelope(await paused(shop()));
    await expect(fromEnvelope(lone, agent)).rejects.toThrow('Two agents have the name "shop"');
  });

  it('that the languages make differently are warned of once', async () => {
    const warnings: string[] = [];
    const listen = ({ message }: Error) => void warnings.push(message);
    process.on('warning', listen);
    const clerk = new Agent({ ...settings, name: 'Front Desk' });
    const named = handoff(new Agent({ ...settings, name: 'Back Desk' }), {
      toolNameOverride: 'to_back',
    });
    const state = await paused(shop({ handoffs: [clerk, named] }));
    toEnvelope(state);
    toEnvelope(state);
    await setTimeout(0);
    process.off('warning', listen);
    expect(warnings).toEqual([expect.stringContaining('handoffs to the agent "Front Desk"')]);
  });
});

describe('what the other language cannot continue', () => {
  const refused = async (change: object, step: object = {}) => {
    const state = await paused(shop());
    const native = nativeDocument(state);
    Object.assign(native, change);
    Object.assign(native.currentStep ?? {}, step);
    return () => toEnvelope(state, { native });
  };

  it.each([
    [{ sandbox: {} }, {}, 'it has a sandbox'],
    [{ pendingSessionWrite: {} }, {}, 'a write to its session is not finished'],
    [{ pendingSessionHistoryTransaction: {} }, {}, 'a change of its session is not finished'],
    [
      {},
      { data: { interruptions: [], responseAccepted: true } },
      'a response of the model was accepted but not processed',
    ],
    [{ $schemaVersion: '1.23' }, {}, 'writes run states of version 1.23'],
  ])('is refused by name: %j %j', async (change, step, message) => {
    const write = await refused(change, step);
    expect(write).toThrow(NotPortableError);
    expect(write).toThrow(message);
  });

  it.each(['computerActions', 'shellActions', 'applyPatchActions', 'functionToolsNotFound'])(
    'includes pending %s',
    async (name) => {
      const state = await paused(shop());
      const native = nativeDocument(state);
      Object.assign(native.lastProcessedResponse ?? {}, { [name]: [{}] });
      expect(() => toEnvelope(state, { native })).toThrow(/is pending/);
    },
  );
});

it('knows which versions the installed SDK reads', () => {
  expect(schemaVersion()).toBe('1.22');
  expect(['1.0', '1.9', '1.22'].map(isReadable)).toEqual([true, true, true]);
  expect(['1.23', '2.0', '0.9', 'x', '1.2.3'].map(isReadable)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
  expect([isTranslatable('1.22'), isTranslatable('1.23')]).toEqual([true, false]);
});

describe('what waits for a decision', () => {
  it('is told with the exact arguments, decisions and messages, nested agents included', async () => {
    const clerk = new Agent({ ...settings, name: 'clerk', tools: [refund()] });
    const agent = shop({
      tools: [refund(), clerk.asTool({ toolName: 'ask', toolDescription: 'Asks.' })],
    });
    const odd = '{ "amount" : 12345678901234567890 }';
    const state = await paused(agent, [
      {
        output: [
          one,
          call('ask', { input: 'x' }, 'call_a'),
          call('refund', { amount: 2 }, 'call_3'),
        ],
      },
      { output: [call('refund', odd, 'call_2')] },
    ]);
    const at = (callId: string) =>
      state.getInterruptions().find((item) => (item.rawItem as any).callId === callId) as never;
    state.reject(at('call_1'), { message: 'zu viel' });
    state.approve(at('call_2'));
    const common = { kind: 'function', tool: 'refund' };
    const byCall = pendingApprovals(state).sort((a, b) =>
      String(a.callId) < String(b.callId) ? -1 : 1,
    );
    expect(byCall).toEqual([
      {
        ...common,
        agent: 'shop',
        callId: 'call_1',
        arguments: '{"amount":5}',
        decision: 'rejected',
        message: 'zu viel',
      },
      {
        ...common,
        agent: 'clerk',
        callId: 'call_2',
        arguments: odd,
        decision: 'approved',
        message: null,
      },
      {
        ...common,
        agent: 'shop',
        callId: 'call_3',
        arguments: '{"amount":2}',
        decision: null,
        message: null,
      },
    ]);
  });
});

it('keeps fields that this version does not know', async () => {
  const envelope = copy(toEnvelope(await paused(shop())));
  const [first, ...others] = envelope.items ?? [];
  const newer = {
    ...envelope,
    mood: 'fine',
    items: [{ ...first, colour: 'red' }, ...others],
  } as unknown as Envelope;
  const state = await fromEnvelope(newer, shop());
  expect(encode(toEnvelope(state))).toBe(encode(newer));
  approveAll(state);
  const { runner } = await scripted([{ output: [say('done')] }]);
  const result = await runner.run(shop(), state);
  const after = toEnvelope(result.state) as unknown as Record<string, any>;
  expect(after.mood).toBe('fine');
  expect(after.items[0].colour).toBe('red');
  expect(after.status).toBe('terminal');
  expect(after).not.toHaveProperty('interruptions');
});

it('approves for all calls in one nested run without deciding for the other', async () => {
  const build = () => {
    const clerk = new Agent({ ...settings, name: 'clerk', tools: [refund()] });
    return shop({ tools: [clerk.asTool({ toolName: 'ask', toolDescription: 'Asks.' })] });
  };
  const state = await paused(build(), [
    {
      output: [
        call('ask', { input: 'first' }, 'call_a'),
        call('ask', { input: 'second' }, 'call_b'),
      ],
    },
    { match: 'first', output: [call('refund', { amount: 1 }, 'call_1')] },
    { match: 'second', output: [call('refund', { amount: 2 }, 'call_2')] },
  ]);
  const envelope = copy(toEnvelope(state));
  const [first] = envelope.pending?.functions ?? [];
  const always = {
    kind: 'function',
    agent: 'clerk',
    tool_key: ['bare', 'refund'],
    scope: 'always',
    decision: 'approved',
  } as const;
  Object.assign(first?.nested ?? {}, { approvals: [always] });
  const read = await fromEnvelope(envelope, build());
  const decisions = pendingApprovals(read).map(({ callId, decision }) => [callId, decision]);
  expect(Object.fromEntries(decisions)).toEqual({ call_1: 'approved', call_2: null });
});
