/** The tool webSearch: spec/vectors/web_search. */

import { readFileSync } from 'node:fs';
import { Agent, Runner } from '@openai/agents';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MultiModelProvider } from '../../src/models/index.ts';
import { search } from '../../src/tools/firecrawl.ts';
import { webSearch } from '../../src/tools/index.ts';
import { refusedPort, scriptedModels } from '../support/models.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';

const models = scriptedModels();
beforeEach(() => {
  vi.stubEnv('FIRECRAWL_API_URL', `${models.server.firecrawlUrl}/`);
  vi.stubEnv('FIRECRAWL_API_KEY', models.server.apiKey('service'));
});

const QUERY = { query: 'tide times', limit: 10, location: undefined, domains: [] };

/** Lets an agent call the tool with exactly these arguments; pauses when it needs approval. */
async function runWithSearch(given: string, approval = false) {
  const call = { type: 'function_call', name: 'web_search', arguments: given };
  const done = { output: [{ type: 'message', text: 'Done.' }] };
  await models.server.script('searcher', [{ output: [call] }, done]);
  const modelProvider = new MultiModelProvider({
    openai_api_key: models.server.apiKey('searcher'),
    openai_base_url: models.server.url,
  });
  const tool = approval ? { ...webSearch, needsApproval: async () => true } : webSearch;
  const agent = new Agent({ name: 'searcher', tools: [tool] });
  const runner = new Runner({ modelProvider });
  const result = await runner.run(agent, 'Look it up.');
  if (!approval) return result;
  expect(await models.server.requests('service')).toEqual([]);
  const [pending] = result.interruptions;
  if (pending) result.state.approve(pending);
  return runner.run(agent, result.state);
}

/** What the tool said to the model. */
function told(result: Awaited<ReturnType<typeof runWithSearch>>): unknown {
  const outputs = result.newItems.flatMap((item) =>
    item.type === 'tool_call_output_item' ? [item.output] : [],
  );
  expect(outputs).toHaveLength(1);
  return outputs[0];
}

describe('arguments become a search', () => {
  it.each(rows('web_search/arguments.json'))('$description', async (row) => {
    await models.server.script('service', [{ search: { web: [] } }]);
    const result = await runWithSearch(row.arguments);
    const asked = await models.server.requests('service');
    if (!row.body) {
      if (row.output) expect(told(result)).toBe(row.output);
      expect(told(result)).toContain(row.mentions ?? '');
      expect(asked).toEqual([]);
      return;
    }
    expect(asked.map(({ body }) => JSON.parse(body))).toEqual([row.body]);
    expect(asked[0]?.path).toBe('/firecrawl/v2/search');
  });
});

it('makes a search that waits for approval after it', async () => {
  await models.server.script('service', [
    { search: { web: [{ title: 'T', url: 'https://shom.fr' }] } },
  ]);
  const result = await runWithSearch('{"query":"tide times"}', true);
  expect(told(result)).toContain('https://shom.fr');
  expect(await models.server.requests('service')).toHaveLength(1);
});

describe('results become text', () => {
  it.each(rows('web_search/results.json'))('$description', async (row) => {
    const raw = JSON.stringify({ success: true, data: { web: row.web } });
    await models.server.script('service', [{ search: {}, fault: { raw } }]);
    expect(await search({ ...QUERY, domains: row.domains ?? [] })).toBe(row.output);
  });
});

describe('a failure is told', () => {
  it.each(rows('web_search/failures.json'))('$description', async (row) => {
    const steps = (row.steps ?? []).map((step: object) => ({ search: {}, ...step }));
    await models.server.script('service', steps);
    if (row.environment === 'none') {
      vi.stubEnv('FIRECRAWL_API_URL', undefined);
      vi.stubEnv('FIRECRAWL_API_KEY', undefined);
    }
    if (row.environment === 'refused') {
      vi.stubEnv('FIRECRAWL_API_URL', `http://127.0.0.1:${await refusedPort()}`);
    }
    const emitted = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const go = () => search(QUERY, row.patience ? { patienceMs: row.patience * 1000 } : {});
    if (row.error) expectError(await thrown(go), row.error);
    else expect(await go()).toBe(row.output);
    const warnings = emitted.mock.calls.map(([message]) => String(message));
    emitted.mockRestore();
    expect(await models.server.requests('service')).toHaveLength(row.requests);
    expect(warnings).toHaveLength(row.output?.includes('unavailable') ? 1 : 0);
    expect(warnings.join()).not.toContain('test-service');
  });
});

it('ends the run when the key is refused', async () => {
  await models.server.script('service', [{ search: {}, fault: { status: 401 } }]);
  const error = await thrown(() => runWithSearch('{"query":"tide times"}'));
  expect(String(error)).toContain('FIRECRAWL_API_KEY');
});

it('sends no key to an address without one', async () => {
  vi.stubEnv('FIRECRAWL_API_KEY', undefined);
  const before = (await models.server.requests()).length;
  expectError(await thrown(() => search(QUERY)), { name: 'UserError', message: ['401'] });
  const [request, ...others] = (await models.server.requests()).slice(before);
  expect(others).toEqual([]);
  expect(request?.headers.authorization).toBeUndefined();
});

it('takes only an http or https address', async () => {
  vi.stubEnv('FIRECRAWL_API_URL', 'localhost:3002');
  const expected = { name: 'UserError', message: ['FIRECRAWL_API_URL'] };
  expectError(await thrown(() => search(QUERY)), expected);
});

it('ends with the run', async () => {
  await models.server.script('service', [{ search: {}, fault: { hang: true } }]);
  const ended = new AbortController();
  const searching = thrown(() => search(QUERY, { signal: ended.signal }));
  ended.abort(new Error('The run was cancelled.'));
  expect(String(await searching)).toContain('The run was cancelled.');
});

it('is the tool of the specification', () => {
  const file = new URL('../../../spec/tools/web_search.schema.json', import.meta.url);
  const schema = JSON.parse(readFileSync(file, 'utf8'));
  expect(webSearch).toMatchObject({
    name: schema.name,
    description: schema.description,
    parameters: schema.parameters,
    strict: schema.strict,
  });
});
