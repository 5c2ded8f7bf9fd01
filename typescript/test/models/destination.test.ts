/** Where an Ollama model runs: spec/vectors/models/destinations.json and hosts.json. */

import type { Model } from '@openai/agents';
import { OpenAI } from 'openai';
import { describe, expect, it, vi } from 'vitest';
import { parseHost } from '../../src/models/destination.ts';
import {
  MultiModelProvider,
  MultiModelProviderMap,
  OllamaModelProvider,
  type OllamaModelProviderOptions,
} from '../../src/models/index.ts';
import { withoutKeys } from '../support/models.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';
import { inside } from './inside.ts';

withoutKeys();

type Row = {
  provider?: { api_key?: string; base_url?: string; num_ctx?: number };
  through: 'direct' | 'multi';
  model: string | null;
};

function optionsOf({ provider = {} }: Row): OllamaModelProviderOptions {
  const { api_key: apiKey, base_url: baseURL, num_ctx: numCtx } = provider;
  return { apiKey, baseURL, numCtx };
}

/** The row's model; where no provider is given, the built-in one makes it. */
async function modelOf(row: Row): Promise<Model> {
  const name = row.model ?? undefined;
  if (row.through === 'direct') return new OllamaModelProvider(optionsOf(row)).getModel(name);
  const map = new MultiModelProviderMap();
  if (row.provider) map.addProvider('ollama', new OllamaModelProvider(optionsOf(row)));
  return new MultiModelProvider({ provider_map: map }).getModel(`ollama/${name}`);
}

/** What the client says about who asks, on both kinds of call that are made through it. */
async function sentHeaders(client: OpenAI): Promise<Record<string, string>[]> {
  const told = ['authorization', 'openai-organization', 'openai-project', 'x-team', 'api-key'];
  const seen: Record<string, string>[] = [];
  const fetch = async (_url: unknown, init?: RequestInit) => {
    const headers = [...new Headers(init?.headers)].filter(([name]) => told.includes(name));
    seen.push(Object.fromEntries(headers));
    return Response.json({});
  };
  const copy = client.withOptions({ fetch, maxRetries: 0 });
  await copy.responses.create({ model: 'any', input: 'any' });
  await copy.get('http://127.0.0.1:1/api/ps');
  return seen;
}

describe('a model runs where the table says', () => {
  it.each(rows('models/destinations.json'))('$description', async (row) => {
    for (const [name, value] of Object.entries<string>(row.environment ?? {})) {
      vi.stubEnv(name, value);
    }
    if (row.error) return expectError(await thrown(() => modelOf(row)), row.error);
    const { client, model } = inside(await modelOf(row));
    expect(model).toBe(row.client.model);
    expect(`${client.baseURL}/`).toBe(row.client.base_url);
    const headers = { authorization: `Bearer ${row.client.key}` };
    expect(await sentHeaders(client)).toEqual([headers, headers]);
  });
});

describe('a host is read as Ollama reads it', () => {
  it.each(rows('models/hosts.json'))('$description', async ({ input, output, error }) => {
    if (error) return expectError(await thrown(() => parseHost(input, 'OLLAMA_HOST')), error);
    expect(parseHost(input, 'OLLAMA_HOST')).toBe(output);
  });
});

it('tells no password that is in a host', async () => {
  const error = await thrown(() => new OllamaModelProvider({ baseURL: 'ftp://ann:hunter2@box' }));
  expect(String(error)).not.toContain('hunter2');
});

it('reads the environment when a model is asked for', () => {
  const provider = new OllamaModelProvider();
  vi.stubEnv('OLLAMA_HOST', 'first');
  const first = inside(provider.getModel('llama3'));
  vi.stubEnv('OLLAMA_HOST', 'second');
  const second = inside(provider.getModel('llama3'));
  expect(first.client.baseURL).toBe('http://first:11434/v1');
  expect(second.client.baseURL).toBe('http://second:11434/v1');
});

it("calls a client of one's own", () => {
  const client = new OpenAI({ baseURL: 'http://box:11434/v1', apiKey: 'mine' });
  const made = inside(new OllamaModelProvider({ client }).getModel('llama3-cloud'));
  expect(made.client).toBe(client);
  expect(made.model).toBe('llama3-cloud');
});

it('refuses a client together with an address', () => {
  const client = new OpenAI({ baseURL: 'http://box:11434/v1', apiKey: 'mine' });
  const make = () => new OllamaModelProvider({ baseURL: 'http://box:11434', client });
  expect(make).toThrow('not both');
});
