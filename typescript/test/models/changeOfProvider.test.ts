/** A run that changes provider half-way: nothing of one reaches the other. */

import { Agent, MemorySession, Runner, tool } from '@openai/agents';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import {
  MultiModelProvider,
  MultiModelProviderMap,
  OllamaModelProvider,
} from '../../src/models/index.ts';
import { fromWireItems } from '../../src/runState/items.ts';
import { type JournalEntry, ModelServer } from '../../src/testing/index.ts';
import { scriptedModels } from '../support/models.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';

const models = scriptedModels();

type Item = { type?: string; role?: string; id?: string; arguments?: string };
const THOUGHT = { type: 'reasoning', summary: 'Let me think.' };

function both(script: string): MultiModelProvider {
  const key = models.server.apiKey(script);
  const map = new MultiModelProviderMap();
  map.addProvider(
    'ollama',
    new OllamaModelProvider({ apiKey: key, baseURL: models.server.ollamaUrl }),
  );
  return new MultiModelProvider({
    provider_map: map,
    openai_api_key: key,
    openai_base_url: models.server.url,
  });
}

/** Each model request and its input items. */
async function asked(
  script: string,
  from = models.server,
): Promise<{ request: JournalEntry; items: Item[] }[]> {
  const requests = (await from.requests(script)).filter(({ path }) => path.endsWith('/responses'));
  return requests.map((request) => ({ request, items: JSON.parse(request.body).input }));
}

describe('a conversation goes on elsewhere', () => {
  it.each(rows('models/foreign_items.json'))('$description', async (row) => {
    await models.server.script('foreign', [{ output: [{ type: 'message', text: 'Well.' }] }]);
    const model = row.to === 'ollama' ? 'ollama/llama3' : 'gpt-4.1';
    const agent = new Agent({ name: 'helper', model });
    const runner = new Runner({ modelProvider: both('foreign') });
    const go = () => runner.run(agent, fromWireItems(row.items));
    if (row.error) return expectError(await thrown(go), row.error);
    await go();
    const [only, ...others] = await asked('foreign');
    expect(others).toEqual([]);
    const { request, items } = only as { request: JournalEntry; items: Item[] };
    expect(items.map(({ type }) => type ?? 'message')).toEqual(row.types);
    expect(items.flatMap(({ id }) => (id ? [id] : []))).toEqual(row.ids);
    for (const text of row.never) expect(request.body).not.toContain(text);
    if (row.arguments) {
      expect(items.flatMap((item) => item.arguments ?? [])).toEqual([row.arguments]);
    }
  });
});

describe('each provider sees only its own', () => {
  beforeEach(() => {
    vi.stubEnv('OPENAI_ORG_ID', 'org-1');
    vi.stubEnv('OPENAI_PROJECT_ID', 'proj-1');
    vi.stubEnv('OPENAI_ADMIN_KEY', 'admin-key');
    vi.stubEnv('OLLAMA_API_KEY', 'cloud-key');
  });

  async function checkApart(script: string): Promise<void> {
    for (const request of await models.server.requests(script)) {
      expect(JSON.stringify(request)).not.toMatch(/admin-key|cloud-key/);
    }
    for (const { request, items } of await asked(script)) {
      const toOllama = request.path.startsWith('/ollama/');
      for (const { id } of items) {
        if (id) expect(id.includes('_ollama_'), request.body).toBe(toOllama);
      }
      const { headers } = request;
      expect(headers['openai-organization']).toBe(toOllama ? undefined : 'org-1');
      expect(headers['openai-project']).toBe(toOllama ? undefined : 'proj-1');
      expect(headers.authorization).toBe(`Bearer test-${script}`);
      if (toOllama) expect(request.body).not.toContain('stub-cipher');
    }
  }

  it('with handoffs from OpenAI to Ollama and back', async () => {
    const back = new Agent({ name: 'back', model: 'openai/gpt-4.1' });
    const middle = new Agent({ name: 'middle', model: 'ollama/llama3', handoffs: [back] });
    const front = new Agent({ name: 'front', model: 'gpt-4.1', handoffs: [middle] });
    const said = { type: 'message', text: 'A word beside it.' };
    await models.server.script('handoffs', [
      { output: [THOUGHT, { type: 'function_call', name: 'transfer_to_middle' }] },
      { output: [THOUGHT, said, { type: 'function_call', name: 'transfer_to_back' }] },
      { output: [THOUGHT, { type: 'message', text: 'Done.' }] },
    ]);
    const runner = new Runner({ modelProvider: both('handoffs') });
    const result = await runner.run(front, 'Hello?');
    expect(result.finalOutput).toBe('Done.');
    expect(result.lastAgent?.name).toBe('back');
    const paths = (await asked('handoffs')).map(({ request }) => request.path);
    expect(paths).toEqual(['/v1/responses', '/ollama/v1/responses', '/v1/responses']);
    await checkApart('handoffs');
  });

  it.each([true, false])(
    'when a paused run is resumed with another model, streamed: %s',
    async (streamed) => {
      const pay = tool({
        name: 'pay',
        description: 'Pay an amount.',
        parameters: z.object({ amount: z.number() }),
        needsApproval: true,
        execute: ({ amount }) => `paid ${amount}`,
      });
      const calls = [1, 2, 3].map((amount) => ({
        output: [THOUGHT, { type: 'function_call', name: 'pay', arguments: { amount } }],
      }));
      await models.server.script('resumed', [
        ...calls,
        { output: [{ type: 'message', text: '.' }] },
      ]);
      const agent = new Agent({ name: 'payer', tools: [pay] });
      const modelProvider = both('resumed');
      const turn = async (input: never, model: string) => {
        const runner = new Runner({ modelProvider, model });
        if (!streamed) return runner.run(agent, input);
        const result = await runner.run(agent, input, { stream: true });
        await result.completed;
        return result;
      };
      let result = await turn('Pay three times.' as never, 'gpt-4.1');
      for (const model of ['ollama/llama3', 'gpt-4.1', 'ollama/llama3']) {
        for (const item of result.interruptions) result.state.approve(item);
        result = await turn(result.state as never, model);
      }
      expect(result.finalOutput).toBe('.');
      expect(await asked('resumed')).toHaveLength(4);
      await checkApart('resumed');
    },
  );

  it('when a session goes on with another model', async () => {
    const answer = { output: [THOUGHT, { type: 'message', text: 'Yes.' }] };
    await models.server.script('session', [answer, answer, answer, answer]);
    const session = new MemorySession();
    const modelProvider = both('session');
    for (const model of ['gpt-4.1', 'ollama/llama3', 'gpt-4.1', 'ollama/llama3']) {
      const agent = new Agent({ name: 'helper', model });
      await new Runner({ modelProvider }).run(agent, 'Sure?', { session });
    }
    const { items } = (await asked('session')).at(-1) as { items: Item[] };
    const roles = items.filter(({ type }) => type !== 'reasoning').map(({ role }) => role);
    const pair = ['user', 'assistant'];
    expect(roles).toEqual([...pair, ...pair, ...pair, 'user']);
    await checkApart('session');
  });
});

it('lets several Ollama hosts serve one run', async () => {
  await using other = await ModelServer.start();
  const map = new MultiModelProviderMap();
  for (const [prefix, host] of [
    ['box', models.server],
    ['gpu', other],
  ] as const) {
    const apiKey = host.apiKey(prefix);
    map.addProvider(prefix, new OllamaModelProvider({ apiKey, baseURL: host.ollamaUrl }));
  }
  const second = new Agent({ name: 'second', model: 'gpu/qwen3' });
  const first = new Agent({ name: 'first', model: 'box/llama3', handoffs: [second] });
  const call = { type: 'function_call', name: 'transfer_to_second' };
  await models.server.script('box', [{ output: [call] }]);
  await other.script('gpu', [{ output: [{ type: 'message', text: 'From the second host.' }] }]);
  const modelProvider = new MultiModelProvider({ provider_map: map });
  const result = await new Runner({ modelProvider }).run(first, 'Hello?');
  expect(result.finalOutput).toBe('From the second host.');
  const [only] = await asked('gpu', other);
  expect(JSON.parse(only?.request.body ?? '{}').model).toBe('qwen3');
});
