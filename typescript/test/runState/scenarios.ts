// biome-ignore-all lint/suspicious/noExplicitAny: runs of any agent, which the SDK's types cannot say
/** Runs that pause, each with the parts that its saved form is about. Every run gets agents of its own. */

import { Agent, type AgentInputItem, hostedMcpTool, type MCPServer, tool } from '@openai/agents';
import { z } from 'zod';
import type { AnyAgent, AnyRunState as AnyState } from '../../src/runState/native.ts';
import type { Step } from '../../src/testing/index.ts';

export type { AnyAgent, AnyState };

/** One way through a run: the agent, what the model says, and who decides what at each pause. */
export interface Scenario {
  name: string;
  agent(log: string[], servers: MCPServer[]): AnyAgent;
  steps: Step[];
  input?: string | AgentInputItem[];
  decide(state: AnyState, pause: number): void;
  context?(): Record<string, unknown>;
  options?: Record<string, unknown>;
  /** The run follows another one, by the id of its last response. */
  follows?: boolean;
  chat?: boolean;
  /** The run keeps its history in a session. */
  session?: boolean;
  /** The agent uses a local MCP server. */
  mcp?: boolean;
}

export const call = (name: string, args: unknown, call_id: string) => ({
  type: 'function_call' as const,
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
  call_id,
});
export const say = (text: string) => ({ type: 'message' as const, text });

export function approveAll(state: AnyState): void {
  for (const item of state.getInterruptions()) state.approve(item);
}

function refund(log: string[], options: Record<string, unknown> = {}) {
  return tool({
    name: 'refund',
    description: 'Pays money back.',
    parameters: z.object({ amount: z.number(), note: z.string().nullable() }),
    needsApproval: true,
    ...options,
    execute: async ({ amount }) => {
      log.push(`refund ${amount}`);
      return `refunded ${amount}`;
    },
  });
}

function weather(log: string[]) {
  return tool({
    name: 'weather',
    description: 'Tells the weather.',
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      log.push(`weather ${city}`);
      return { city, sky: 'grau', degrees: [1, 2.5] };
    },
  });
}

const settings = { model: 'gpt-test' };
const one = call('refund', { amount: 5, note: null }, 'call_1');

export const scenarios: Scenario[] = [
  {
    name: 'one approval',
    agent: (log) =>
      new Agent({ ...settings, name: 'shop', instructions: 'Help.', tools: [refund(log)] }),
    steps: [{ output: [one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'approved and free tools in one response',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log), weather(log)] }),
    steps: [
      {
        output: [
          call('weather', { city: 'Zürich' }, 'call_0'),
          one,
          call('weather', { city: 'Genf' }, 'call_2'),
        ],
      },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'two pending, one of them decided',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      { output: [one, call('refund', { amount: 6, note: 'ü\u0000\ud800' }, 'call_2')] },
      { output: [say('done')] },
    ],
    decide: (state, pause) => {
      const [first, second] = state.getInterruptions();
      if (first && pause === 0) state.approve(first);
      else if (second ?? first) state.reject((second ?? first) as never, { message: 'no' });
    },
  },
  {
    name: 'handoff, then an approval',
    agent: (log) => {
      const clerk = new Agent({
        ...settings,
        name: 'clerk',
        instructions: 'Pay.',
        tools: [refund(log)],
      });
      return new Agent({ ...settings, name: 'shop', instructions: 'Route.', handoffs: [clerk] });
    },
    steps: [
      { output: [call('transfer_to_clerk', {}, 'call_h')] },
      { output: [one] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'handoff and approval in one response',
    agent: (log) => {
      const clerk = new Agent({ ...settings, name: 'clerk', instructions: 'Pay.' });
      return new Agent({
        ...settings,
        name: 'shop',
        instructions: 'Route.',
        handoffs: [clerk],
        tools: [refund(log)],
      });
    },
    steps: [{ output: [one, call('transfer_to_clerk', {}, 'call_h')] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'agent as a tool that waits inside',
    agent: (log) => {
      const clerk = new Agent({
        ...settings,
        name: 'clerk',
        instructions: 'Pay.',
        tools: [refund(log)],
      });
      return new Agent({
        ...settings,
        name: 'shop',
        tools: [clerk.asTool({ toolName: 'ask_clerk', toolDescription: 'Asks.' }), weather(log)],
      });
    },
    steps: [
      {
        output: [
          call('ask_clerk', { input: 'pay' }, 'call_a'),
          call('weather', { city: 'Genf' }, 'call_w'),
        ],
      },
      { output: [one] },
      { output: [say('paid')] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'two levels of agents as tools',
    agent: (log) => {
      const cashier = new Agent({ ...settings, name: 'cashier', tools: [refund(log)] });
      const clerk = new Agent({
        ...settings,
        name: 'clerk',
        tools: [cashier.asTool({ toolName: 'ask_cashier', toolDescription: 'Asks.' })],
      });
      return new Agent({
        ...settings,
        name: 'shop',
        tools: [clerk.asTool({ toolName: 'ask_clerk', toolDescription: 'Asks.' }), refund(log)],
      });
    },
    steps: [
      {
        output: [
          call('ask_clerk', { input: 'pay' }, 'call_a'),
          call('refund', { amount: 1, note: null }, 'call_o'),
        ],
      },
      { output: [call('ask_cashier', { input: 'pay' }, 'call_b')] },
      { output: [one] },
      { output: [say('paid')] },
      { output: [say('passed on')] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'always approved',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      { output: [one] },
      { output: [call('refund', { amount: 2, note: 'b' }, 'call_2')] },
      { output: [say('done')] },
    ],
    decide: (state) => {
      for (const item of state.getInterruptions()) state.approve(item, { alwaysApprove: true });
    },
  },
  {
    name: 'always rejected with a message',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      { output: [one] },
      { output: [call('refund', { amount: 2, note: 'b' }, 'call_2')] },
      { output: [say('done')] },
    ],
    decide: (state) => {
      for (const item of state.getInterruptions())
        state.reject(item, { alwaysReject: true, message: 'nie!' });
    },
  },
  {
    name: 'rejected with a message, then another pause',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      { output: [one] },
      { output: [call('refund', { amount: 2, note: 'b' }, 'call_2')] },
      { output: [say('done')] },
    ],
    decide: (state, pause) => {
      for (const item of state.getInterruptions()) {
        if (pause === 0) state.reject(item, { message: 'zu viel' });
        else state.approve(item);
      }
    },
  },
  {
    name: 'structured output',
    agent: (log) =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [refund(log)],
        outputType: z.object({ ok: z.boolean() }),
      }),
    steps: [{ output: [one] }, { output: [say('{"ok":true}')] }],
    decide: approveAll,
  },
  {
    name: 'guardrails of every kind',
    agent: (log) =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [
          refund(log, {
            inputGuardrails: [
              {
                name: 'small',
                run: async () => ({ behavior: { type: 'allow' }, outputInfo: { max: 9 } }),
              },
            ],
            outputGuardrails: [
              { name: 'polite', run: async () => ({ behavior: { type: 'allow' } }) },
            ],
          }),
          weather(log),
          tool({
            name: 'gossip',
            description: 'Tells.',
            parameters: z.object({}),
            execute: async () => 'psst',
            outputGuardrails: [
              {
                name: 'secret',
                run: async () => ({
                  behavior: { type: 'rejectContent', message: 'hidden' },
                  outputInfo: 'why',
                }),
              },
            ],
          }),
        ],
        inputGuardrails: [
          {
            name: 'short',
            execute: async () => ({ tripwireTriggered: false, outputInfo: { words: 1 } }),
          },
        ],
        outputGuardrails: [
          { name: 'clean', execute: async () => ({ tripwireTriggered: false, outputInfo: null }) },
        ],
      }),
    steps: [
      { output: [call('gossip', {}, 'call_g')] },
      { output: [call('weather', { city: 'Genf' }, 'call_w'), one] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'reasoning with encrypted content',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      {
        output: [
          {
            type: 'reasoning',
            summary: [{ type: 'summary_text', text: 'hm' }],
            encrypted_content: 'gAAA',
          },
          one,
        ],
      },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'hosted MCP approval',
    agent: () =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [
          hostedMcpTool({
            serverLabel: 'bank',
            serverUrl: 'https://example.com/mcp',
            requireApproval: 'always',
            headers: { authorization: 'Bearer hush' },
          }),
        ],
      }),
    steps: [
      {
        output: [
          {
            type: 'mcp_list_tools',
            id: 'mcpl_1',
            server_label: 'bank',
            tools: [
              {
                name: 'pay',
                input_schema: { type: 'object', properties: { toWhom: { type: 'string' } } },
                annotations: null,
                description: null,
              },
            ],
          },
          {
            type: 'mcp_approval_request',
            id: 'mcpr_1',
            server_label: 'bank',
            name: 'pay',
            arguments: '{"toWhom": "ü"}',
          },
        ],
      },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'a context and usage details',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    context: () => ({ user: 'jörg', limits: { daily: 10.5, '10': 1, '9': [] }, none: null }),
    steps: [
      {
        output: [one],
        usage: {
          input_tokens: 7,
          input_tokens_details: { cached_tokens: 3 },
          output_tokens: 5,
          output_tokens_details: { reasoning_tokens: 2 },
          total_tokens: 12,
        },
      },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'images, files and a developer message',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    input: [
      { type: 'unknown', providerData: { role: 'developer', content: 'be brief' } },
      { role: 'system', content: 'be kind' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'see' },
          { type: 'input_image', image: 'data:image/png;base64,AAAA', detail: 'low' },
          { type: 'input_file', file: { id: 'file_1' } },
        ],
      },
    ],
    steps: [{ output: [one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'a forced tool choice that is reset',
    agent: (log) =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [refund(log)],
        modelSettings: { toolChoice: 'required' },
      }),
    steps: [{ output: [one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'a previous response id',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    follows: true,
    steps: [{ output: [say('before')] }, { output: [one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'a conversation id',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    options: { conversationId: 'conv_1' },
    steps: [{ output: [one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'five turns before the pause',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log), weather(log)] }),
    steps: [
      ...[1, 2, 3, 4, 5].map((n) => ({
        output: [call('weather', { city: `c${n}` }, `call_w${n}`)],
      })),
      { output: [one] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'a tool that answers with an image',
    agent: (log) =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [
          refund(log),
          tool({
            name: 'chart',
            description: 'Draws.',
            parameters: z.object({}),
            execute: async () => [
              { type: 'text' as const, text: 'a chart' },
              { type: 'image' as const, image: 'data:image/png;base64,AAAA', detail: 'low' },
            ],
          }),
        ],
      }),
    steps: [
      { output: [call('chart', {}, 'call_c')] },
      { output: [one] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'odd texts in arguments and outputs',
    agent: (log) =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [
          refund(log),
          tool({
            name: 'echo',
            description: 'Says it again.',
            parameters: z.object({ text: z.string() }),
            execute: async () => `\u0000 \ud800 ${'x'.repeat(1_000_000)}`,
          }),
        ],
      }),
    steps: [
      { output: [call('echo', '{"text": "\\u0000\\ud800 🏔"}', 'call_e')] },
      { output: [call('refund', '{ "amount": 12345678901234567890, "note": "日本" }', 'call_1')] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'a chat-completions model',
    chat: true,
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log), weather(log)] }),
    steps: [
      { output: [say('let me see'), call('weather', { city: 'Genf' }, 'call_w')] },
      { output: [one] },
      { output: [say('done')] },
    ],
    decide: approveAll,
  },
  {
    name: 'input that waits for the next turn',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [{ output: [one] }, { output: [say('done')] }],
    decide: (state) => {
      approveAll(state);
      state.addInput('and hurry');
    },
  },
  {
    name: 'a session',
    session: true,
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log), weather(log)] }),
    steps: [
      { output: [say('wait'), call('weather', { city: 'Genf' }, 'call_w')] },
      {
        output: [
          one,
          call('weather', { city: 'Bern' }, 'call_v'),
          call('refund', { amount: 3, note: 'x' }, 'call_2'),
        ],
      },
      { output: [call('refund', { amount: 4, note: 'y' }, 'call_3')] },
      { output: [say('done')] },
    ],
    decide: (state, pause) => {
      if (pause === 0) for (const item of state.getInterruptions().slice(0, 1)) state.reject(item);
      else approveAll(state);
    },
  },
  {
    name: 'a tool of a local MCP server beside an approval',
    mcp: true,
    agent: (log, servers) =>
      new Agent({ ...settings, name: 'shop', tools: [refund(log)], mcpServers: servers }),
    steps: [{ output: [call('count', { sku: 'a' }, 'call_m'), one] }, { output: [say('done')] }],
    decide: approveAll,
  },
  {
    name: 'a nested agent that hands off and is approved for all calls',
    agent: (log) => {
      const cashier = new Agent({ ...settings, name: 'cashier', tools: [refund(log)] });
      const clerk = new Agent({ ...settings, name: 'clerk', handoffs: [cashier] });
      return new Agent({
        ...settings,
        name: 'shop',
        tools: [clerk.asTool({ toolName: 'ask_clerk', toolDescription: 'Asks.' })],
      });
    },
    steps: [
      { output: [call('ask_clerk', { input: 'pay' }, 'call_a')] },
      { output: [call('transfer_to_cashier', {}, 'call_h')] },
      { output: [one] },
      { output: [call('refund', { amount: 8, note: null }, 'call_8')] },
      { output: [say('paid')] },
      { output: [say('done')] },
    ],
    decide: (state) => {
      for (const item of state.getInterruptions()) state.approve(item, { alwaysApprove: true });
    },
  },
  {
    name: 'an always and its exception',
    agent: (log) => new Agent({ ...settings, name: 'shop', tools: [refund(log)] }),
    steps: [
      { output: [one, call('refund', { amount: 6, note: 'no' }, 'call_2')] },
      { output: [call('refund', { amount: 7, note: null }, 'call_3')] },
      { output: [say('done')] },
    ],
    decide: (state) => {
      const [first, second] = state.getInterruptions();
      if (first) state.approve(first, { alwaysApprove: true });
      if (second) state.reject(second, { message: 'not this one' });
    },
  },
  {
    name: 'hosted MCP rejected for all calls',
    agent: () =>
      new Agent({
        ...settings,
        name: 'shop',
        tools: [
          hostedMcpTool({
            serverLabel: 'bank',
            serverUrl: 'https://example.com/mcp',
            requireApproval: 'always',
          }),
        ],
      }),
    steps: [1, 2]
      .map((n) => ({
        output: [
          {
            type: 'mcp_approval_request' as const,
            id: `mcpr_${n}`,
            server_label: 'bank',
            name: 'pay',
            arguments: '{}',
          },
        ],
      }))
      .concat([{ output: [say('done')] } as never]),
    decide: (state) => {
      for (const item of state.getInterruptions())
        state.reject(item, { alwaysReject: true, message: 'never' });
    },
  },
];
