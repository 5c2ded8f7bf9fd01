/** What an agent gets from a scripted Ollama, streamed and not: spec/vectors/models/answers.json. */

import { Agent, type AgentInputItem, Runner, type Tool, tool } from '@openai/agents';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { OllamaModelProvider } from '../../src/models/index.ts';
import { fromWireItems, toWireItems } from '../../src/runState/items.ts';
import { scriptedModels } from '../support/models.ts';
import { rows, thrown } from '../support/vectors.ts';

const models = scriptedModels();

const TOOLS: Record<string, Tool> = {
  add: tool({
    name: 'add',
    description: 'Add two numbers.',
    parameters: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => String(a + b),
  }),
  plant: tool({
    name: 'plant',
    description: 'Plant a tree.',
    // A schema with a reference, as another program may have written it.
    parameters: {
      type: 'object',
      $defs: {
        Place: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
          additionalProperties: false,
        },
      },
      properties: { place: { $ref: '#/$defs/Place' } },
      required: ['place'],
      additionalProperties: false,
    } as never,
    strict: true,
    execute: (given: unknown) => `planted in ${(given as { place: { city: string } }).place.city}`,
  }),
};

// biome-ignore lint/suspicious/noExplicitAny: the vectors' README describes a row
type Row = any;

async function run(row: Row, streamed: boolean) {
  const modelProvider = new OllamaModelProvider({
    apiKey: models.server.apiKey('answer'),
    baseURL: models.server.ollamaUrl,
  });
  const agent = new Agent({
    name: 'helper',
    model: 'llama3',
    tools: (row.tools ?? []).map((name: string) => TOOLS[name]),
    ...(row.output_type ? { outputType: z.object({ name: z.string() }) as never } : {}),
    modelSettings: row.effort ? { reasoning: { effort: row.effort } } : {},
  }) as unknown as Agent;
  const input: string | AgentInputItem[] =
    typeof row.input === 'string' ? row.input : fromWireItems(row.input);
  const runner = new Runner({ modelProvider });
  if (!streamed) return { result: await runner.run(agent, input), text: '' };
  const result = await runner.run(agent, input, { stream: true });
  let text = '';
  for await (const event of result) {
    if (event.type !== 'raw_model_stream_event') continue;
    if (event.data.type !== 'output_text_delta') continue;
    text += event.data.delta;
    expect(event.data.itemId).toContain('_ollama_');
  }
  await result.completed;
  return { result, text };
}

describe.each([true, false])('streamed: %s', (streamed) => {
  it.each(rows('models/answers.json'))('$description', async (row) => {
    await models.server.script('answer', row.steps);
    if (row.error) {
      const error = await thrown(() => run(row, streamed));
      expect((error as object).constructor.name, String(error)).toBe(row.error);
      return;
    }
    const { result, text } = await run(row, streamed);
    expect(result.finalOutput).toEqual(row.output);
    expect(text).toBe(streamed ? row.text : '');
    const items = toWireItems(result.newItems.map((item) => item.rawItem as never)) as Row[];
    expect(items.map(({ type }) => type)).toEqual(row.items);
    const outputs = items.filter(({ type }) => type === 'function_call_output');
    expect(outputs.map(({ output }) => output)).toEqual(row.tool_outputs ?? []);
    const ids = items.flatMap(({ id }) => (id ? [id] : []));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(0);
    for (const id of ids) expect(id).toMatch(/^(msg|fc|rs)_ollama_[0-9a-f]{32}$/);
    const { usage } = result.state;
    if (row.usage) {
      expect([usage.inputTokens, usage.outputTokens, usage.totalTokens]).toEqual(row.usage);
      expect(usage.requests).toBe(row.steps.length);
      expect(usage.requestUsageEntries).toHaveLength(row.steps.length);
    }
    const asked = (await models.server.requests('answer')).filter(({ path }) =>
      path.endsWith('/responses'),
    );
    expect(asked).toHaveLength(row.steps.length);
  });
});

it('tells a small context once', async () => {
  const step = { output: [{ type: 'message', text: 'Hello' }] };
  await models.server.script('small', [step, step]);
  const modelProvider = new OllamaModelProvider({
    apiKey: models.server.apiKey('small'),
    baseURL: models.server.ollamaUrl,
  });
  const emitted = vi.spyOn(process, 'emitWarning').mockReturnValue();
  const agent = new Agent({ name: 'helper', model: 'llama3' });
  const runner = new Runner({ modelProvider });
  await runner.run(agent, 'Hello?');
  await runner.run(agent, 'Hello?');
  const told = emitted.mock.calls.map(([message]) => String(message));
  emitted.mockRestore();
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('context of 4096 tokens');
  const paths = (await models.server.requests('small')).map(({ path }) => path);
  expect(paths.filter((path) => path === '/ollama/api/ps')).toHaveLength(1);
});

it('makes a larger context once and uses it', async () => {
  const step = { output: [{ type: 'message', text: 'Hello' }] };
  await models.server.script('large', [step, step]);
  const modelProvider = new OllamaModelProvider({
    apiKey: models.server.apiKey('large'),
    baseURL: models.server.ollamaUrl,
    numCtx: 32768,
  });
  const agent = new Agent({ name: 'helper', model: 'llama3:8b' });
  const runner = new Runner({ modelProvider });
  await runner.run(agent, 'Hello?');
  await runner.run(agent, 'Hello?');
  const requests = await models.server.requests('large');
  const made = requests.filter(({ path }) => path.endsWith('/api/create'));
  expect(made).toHaveLength(1);
  expect(made[0]?.body).toContain('"num_ctx":32768');
  const used = requests.filter(({ path }) => path.endsWith('/responses'));
  expect(used.map(({ body }) => JSON.parse(body).model)).toEqual([
    'llama3:8b-ctx32768',
    'llama3:8b-ctx32768',
  ]);
});
