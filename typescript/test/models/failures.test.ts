/** What goes wrong, streamed and not: spec/vectors/models/failures.json. */

import { Agent, Runner, type Tool, tool, webSearchTool } from '@openai/agents';
import { AuthenticationError, NotFoundError } from 'openai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { inOllamaWords } from '../../src/models/failures.ts';
import {
  MultiModelProvider,
  MultiModelProviderMap,
  OllamaModelProvider,
} from '../../src/models/index.ts';
import { refusedPort, scriptedModels } from '../support/models.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';

const models = scriptedModels();

const TOOLS: Record<string, Tool> = {
  add: tool({
    name: 'add',
    description: 'Add two numbers.',
    parameters: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => String(a + b),
  }),
  hosted_web_search: webSearchTool(),
};

// biome-ignore lint/suspicious/noExplicitAny: the vectors' README describes a row
type Row = any;

async function providerFor(row: Row, script: string): Promise<MultiModelProvider> {
  const refused = row.address === 'refused' ? `http://127.0.0.1:${await refusedPort()}` : undefined;
  const key = row.key ?? models.server.apiKey(script);
  const map = new MultiModelProviderMap();
  map.addProvider(
    'ollama',
    new OllamaModelProvider({
      apiKey: key,
      baseURL: refused ?? models.server.ollamaUrl,
      numCtx: row.num_ctx,
    }),
  );
  return new MultiModelProvider({
    provider_map: map,
    openai_api_key: key,
    openai_base_url: refused ?? models.server.url,
  });
}

async function outcome(row: Row, modelProvider: MultiModelProvider, streamed: boolean) {
  const prefix = row.provider === 'openai' ? '' : 'ollama/';
  const agent = new Agent({
    name: 'helper',
    model: `${prefix}${row.model ?? 'llama3'}`,
    tools: (row.tools ?? []).map((name: string) => TOOLS[name]),
    modelSettings: row.max_tokens ? { maxTokens: row.max_tokens } : {},
  });
  const text = Array(row.repeat_input ?? 1)
    .fill(row.input ?? 'Hello?')
    .join(' ');
  const options: { previousResponseId?: string; conversationId?: string } = {
    ...(row.run?.previous_response_id && { previousResponseId: row.run.previous_response_id }),
    ...(row.run?.conversation_id && { conversationId: row.run.conversation_id }),
  };
  const runner = new Runner({ modelProvider });
  if (!streamed) return (await runner.run(agent, text, options)).finalOutput;
  const result = await runner.run(agent, text, { ...options, stream: true });
  for await (const _ of result);
  await result.completed;
  return result.finalOutput;
}

describe.each([true, false])('streamed: %s', (streamed) => {
  const fitting = rows('models/failures.json').filter(
    (row) => row.streamed?.includes(streamed) ?? true,
  );

  it.each(fitting)('$description', async (row) => {
    const script = 'failure';
    await models.server.script(script, row.steps ?? [], row.ollama ? { ollama: row.ollama } : {});
    const provider = await providerFor(row, script);
    if (row.error) {
      const error = await thrown(() => outcome(row, provider, streamed));
      expectError(error, row.error);
      if (row.retry_after) {
        const { headers } = error as { headers: Headers };
        expect(headers.get('retry-after')).toBe(row.retry_after);
      }
    } else {
      expect(await outcome(row, provider, streamed)).toBe(row.output);
    }
    const asked = (await models.server.requests(script)).filter(({ path }) =>
      path.endsWith('/responses'),
    );
    expect(asked).toHaveLength(row.requests.typescript ?? row.requests);
  });
});

it.each([
  [AuthenticationError, 401 as const, 'Ollama Cloud refused the key: check OLLAMA_API_KEY'],
  [NotFoundError, 404 as const, "Ollama Cloud has no model 'llama3'"],
])('tells what Ollama Cloud refuses as its own: %o', (Kind, status, words) => {
  const cloud = { root: 'https://ollama.com', model: 'llama3', key: 'key', cloud: true };
  const refused = new Kind(status as never, undefined, 'refused', new Headers());
  expect(inOllamaWords(refused, cloud)).toBe(refused);
  expect(refused.message).toContain(words);
});
