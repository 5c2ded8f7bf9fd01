import {
  Agent,
  type AgentInputItem,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  Runner,
  tool,
} from '@openai/agents';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ModelServer, type Step } from '../../src/testing/index.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

const runner = new Runner({ tracingDisabled: true });
const weather = tool({
  name: 'weather',
  description: 'The weather of a city.',
  parameters: z.object({ city: z.string(), unit: z.enum(['C', 'F']).nullable() }),
  execute: ({ city }) => `sunny in ${city}`,
});
const TWO_CALLS: Step[] = [
  {
    output: [
      { type: 'reasoning', summary: 'Both cities.' },
      { type: 'function_call', name: 'weather', arguments: { city: 'Rome', unit: null } },
      { type: 'function_call', name: 'weather', arguments: { city: 'Oslo', unit: 'C' } },
    ],
    usage: { input_tokens: 100, output_tokens: 20, input_tokens_details: { cached_tokens: 60 } },
  },
  { output: [{ type: 'message', text: 'Sunny in both, Rome and Oslo.' }] },
];
const MODELS = {
  responses: (client: OpenAI) => new OpenAIResponsesModel(client, 'gpt-4.1'),
  chat: (client: OpenAI) => new OpenAIChatCompletionsModel(client, 'gpt-4.1'),
};

function client(id: string): OpenAI {
  return new OpenAI({ baseURL: server.url, apiKey: server.apiKey(id), maxRetries: 1 });
}

async function bodies(id: string): Promise<Record<string, unknown>[]> {
  return (await server.requests(id)).map((entry) => JSON.parse(entry.body));
}

describe.each(['responses', 'chat'] as const)('the %s model of the SDK', (api) => {
  const agentOf = (id: string, more: object = {}) =>
    new Agent({ name: 'helper', model: MODELS[api](client(id)), ...more });

  test.each([false, true])('calls two tools at once and answers (stream: %s)', async (stream) => {
    const id = `${api}-tools-${stream}`;
    await server.script(id, TWO_CALLS);

    const agent = agentOf(id, { tools: [weather], modelSettings: { parallelToolCalls: true } });
    const result = stream
      ? await runner.run(agent, 'Weather?', { stream: true })
      : await runner.run(agent, 'Weather?');
    if ('completed' in result) await result.completed;

    expect(result.finalOutput).toBe('Sunny in both, Rome and Oslo.');
    expect(result.state.usage.requests).toBe(2);
    expect(result.state.usage.inputTokens).toBeGreaterThan(100);
    const sent = JSON.stringify((await bodies(id))[1]);
    expect(sent).toContain('sunny in Rome');
    expect(sent).toContain('sunny in Oslo');
    expect((await server.requests(id)).map((entry) => entry.status)).toEqual([200, 200]);
  });

  test('gives a structured answer', async () => {
    const id = `${api}-structured`;
    await server.script(id, [
      { output: [{ type: 'message', text: { city: 'Rome', sunny: true } }] },
    ]);
    const outputType = z.object({ city: z.string(), sunny: z.boolean() });

    const result = await runner.run(agentOf(id, { outputType }), 'Weather?');

    expect(result.finalOutput).toEqual({ city: 'Rome', sunny: true });
  });

  test('sends images', async () => {
    const id = `${api}-image`;
    await server.script(id, [{ output: [{ type: 'message', text: 'A cat' }] }]);
    const image = 'data:image/png;base64,iVBORw0KGgo=';
    const input: AgentInputItem[] = [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'What is it?' },
          { type: 'input_image', image },
        ],
      },
    ];

    expect((await runner.run(agentOf(id), input)).finalOutput).toBe('A cat');
    expect(JSON.stringify(await bodies(id))).toContain(image);
  });

  test('tries again after a rate limit', async () => {
    const id = `${api}-limit`;
    await server.script(id, [
      { fault: { status: 429, headers: { 'retry-after-ms': '5' } } },
      { output: [{ type: 'message', text: 'Here I am' }] },
    ]);

    expect((await runner.run(agentOf(id), 'Hello')).finalOutput).toBe('Here I am');
    expect((await server.requests(id)).map((entry) => entry.status)).toEqual([429, 200]);
  });

  test('does not repeat what a script cannot answer', async () => {
    const id = `${api}-empty`;
    await server.script(id, []);

    await expect(runner.run(agentOf(id), 'Hello')).rejects.toThrow('has no step left');
    expect(await server.requests(id)).toHaveLength(1);
  });

  test('is told when a stream is cut', async () => {
    const id = `${api}-cut`;
    const output = [{ type: 'message', text: 'A long answer that breaks off' }];
    await server.script(id, [{ output, fault: { cut_after: 900 } }]);

    const result = await runner.run(agentOf(id), 'Hello', { stream: true });

    await expect(result.completed).rejects.toThrow();
  });
});

test('reasoning goes back with its ciphertext, next to the call that it led to', async () => {
  await server.script('reasoning', TWO_CALLS);
  const agent = new Agent({
    name: 'helper',
    model: MODELS.responses(client('reasoning')),
    tools: [weather],
    modelSettings: {
      store: false,
      reasoning: { effort: 'low' },
      providerData: { include: ['reasoning.encrypted_content'] },
    },
  });

  const result = await runner.run(agent, 'Weather?');

  expect(result.finalOutput).toContain('Sunny');
  const { input } = (await bodies('reasoning'))[1] as { input: { encrypted_content?: string }[] };
  expect(input[1]).toMatchObject({
    type: 'reasoning',
    encrypted_content: expect.stringMatching(/^stub-cipher:rs_/),
  });
});

test('reasoning that was not stored and has no ciphertext is refused', async () => {
  await server.script('lost-reasoning', TWO_CALLS);
  const agent = new Agent({
    name: 'helper',
    model: MODELS.responses(client('lost-reasoning')),
    tools: [weather],
    modelSettings: { store: false },
  });

  await expect(runner.run(agent, 'Weather?')).rejects.toThrow(/404.*no encrypted content/s);
});

test('a run does not go on from a response that is not stored', async () => {
  await server.script('previous', TWO_CALLS);
  const model = MODELS.responses(client('previous'));
  const agent = new Agent({ name: 'helper', model, tools: [weather] });

  const result = await runner.run(agent, 'Weather?');
  const more = runner.run(agent, 'More?', { previousResponseId: 'resp_of_nobody' });

  expect(result.lastResponseId).toMatch(/^resp_/);
  await expect(more).rejects.toThrow('resp_of_nobody');
});

test('a run within a conversation sends only what is new', async () => {
  await server.script('conversation', TWO_CALLS);
  const openai = client('conversation');
  const { id } = await openai.conversations.create();
  const agent = new Agent({
    name: 'helper',
    model: MODELS.responses(openai),
    tools: [weather],
  });

  const result = await runner.run(agent, 'Weather?', { conversationId: id });

  expect(result.finalOutput).toContain('Sunny');
  const last = (await bodies('conversation')).at(-1) as { input: unknown[]; conversation: string };
  expect(last.conversation).toBe(id);
  expect(last.input).toHaveLength(2);
});
