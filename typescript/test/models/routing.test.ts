/** Which provider a model's name means: spec/vectors/models/names.json. */

import type { Model } from '@openai/agents';
import type { OpenAI } from 'openai';
import { describe, expect, it, vi } from 'vitest';
import {
  MultiModelProvider,
  MultiModelProviderMap,
  OllamaModelProvider,
} from '../../src/models/index.ts';
import { withoutKeys } from '../support/models.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';
import { inside } from './inside.ts';

withoutKeys();

function providerFor(row: { map?: Record<string, string> }): MultiModelProvider {
  const map = new MultiModelProviderMap();
  for (const [prefix, baseURL] of Object.entries(row.map ?? {})) {
    map.addProvider(prefix, new OllamaModelProvider({ baseURL }));
  }
  return new MultiModelProvider({ provider_map: map, openai_api_key: 'openai-key' });
}

describe('a name means a provider', () => {
  it.each(rows('models/names.json'))('$description', async (row) => {
    const provider = providerFor(row);
    const name = row.model ?? undefined;
    if (row.error) return expectError(await thrown(() => provider.getModel(name)), row.error);
    const { client, model } = inside(await provider.getModel(name));
    const host = row.goes_to === 'openai' ? 'https://api.openai.com' : row.goes_to;
    expect(client.baseURL).toBe(`${host}/v1`);
    expect(model).toBe(row.name ?? model);
    expect(model).not.toBe('');
  });
});

it('makes a client once for each host', async () => {
  const provider = new MultiModelProvider();
  const first = await provider.getModel('ollama/llama3');
  expect(await provider.getModel('ollama/llama3')).toBe(first);
  expect(inside(await provider.getModel('ollama/qwen3')).client).toBe(inside(first).client);
});

it('takes an empty OpenAI key for none', async () => {
  vi.stubEnv('OPENAI_API_KEY', 'from-the-environment');
  const provider = new MultiModelProvider({ openai_api_key: '' });
  expect(inside(await provider.getModel('gpt-4.1')).client.apiKey).toBe('from-the-environment');
});

it('lets a provider be made with nothing set', () => {
  new MultiModelProvider();
  new OllamaModelProvider();
  new OllamaModelProvider({ apiKey: 'key', baseURL: 'http://nowhere.example' });
});

it('maps prefixes as the Python SDK does', () => {
  const map = new MultiModelProviderMap();
  const box = new OllamaModelProvider();
  map.addProvider('box', box);
  expect(map.hasPrefix('box')).toBe(true);
  expect(map.getProvider('box')).toBe(box);
  map.getMapping().clear();
  expect(map.hasPrefix('box')).toBe(true);
  map.setMapping(new Map([['gpu', box]]));
  expect([...map.getMapping().keys()]).toEqual(['gpu']);
  map.removeProvider('gpu');
  expect(map.getProvider('gpu')).toBeUndefined();
});

it('leaves models of other providers as they are', async () => {
  const model = {} as Model;
  const map = new MultiModelProviderMap();
  map.addProvider('own', { getModel: (name) => ({ ...model, name }) as Model });
  const provider = new MultiModelProvider({ provider_map: map });
  expect(await provider.getModel('own/x/y')).toEqual({ name: 'x/y' });
  expect({} as OpenAI).toBeDefined();
});
