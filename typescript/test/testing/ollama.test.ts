import { afterAll, beforeAll, expect, test } from 'vitest';
import { ModelServer } from '../../src/testing/index.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

function post(path: string, body: object): Promise<Response> {
  return fetch(`${server.ollamaUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
}

async function usedTokens(model: string): Promise<number> {
  const input = [
    { role: 'user', content: 'a'.repeat(16_000) },
    { role: 'assistant', content: 'b'.repeat(4000) },
    { role: 'user', content: 'c'.repeat(4000) },
  ];
  const response = await post('/v1/responses', { model, input });
  const { usage } = (await response.json()) as { usage: { input_tokens: number } };
  return usage.input_tokens;
}

test('a derived model sees the whole prompt, and says so in ps', async () => {
  const hello = { output: [{ type: 'message', text: 'Hi' }] };
  await server.script('small', [hello, hello]);
  expect(await usedTokens('small:8b')).toBeLessThan(3000);

  const created = await post('/api/create', {
    model: 'roomy',
    from: 'small:8b',
    parameters: { num_ctx: 16_384 },
  });
  const lines = (await created.text()).trim().split('\n');
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ status: 'success' });
  expect(await usedTokens('roomy')).toBeGreaterThan(6000);

  const running = (await (await fetch(`${server.ollamaUrl}/api/ps`)).json()) as {
    models: { name: string; context_length: number }[];
  };
  const contexts = Object.fromEntries(running.models.map((m) => [m.name, m.context_length]));
  expect(contexts).toMatchObject({ 'small:8b': 4096, 'roomy:latest': 16_384 });
});

test('a model cannot be derived from one that is not there', async () => {
  const body = { model: 'roomy', from: 'nothing', parameters: {} };
  const streamed = await post('/api/create', body);
  expect(streamed.status).toBe(200);
  expect(await streamed.text()).toContain('{"error":"pull model manifest: file does not exist"}');
  const plain = await post('/api/create', { ...body, stream: false });
  expect(plain.status).toBe(500);
});

test('version and tags are those of the script', async () => {
  const ollama = { version: '0.20.1', models: [{ name: 'llama3' }] };
  await server.script('tags', [], { ollama });
  const headers = { authorization: `Bearer ${server.apiKey('tags')}` };
  const get = async (path: string) =>
    (await fetch(`${server.ollamaUrl}${path}`, { headers })).json();

  expect(await get('/api/version')).toEqual({ version: '0.20.1' });
  expect(await get('/api/tags')).toMatchObject({ models: [{ name: 'llama3:latest' }] });
  expect(await get('/api/ps')).toEqual({ models: [] });
});

test('the cloud has no ps', async () => {
  await server.script('cloud', []);
  const headers = { authorization: `Bearer ${server.apiKey('cloud')}` };
  const response = await fetch(`${server.ollamaCloudUrl}/api/ps`, { headers });
  expect(response.status).toBe(404);
  expect((await fetch(`${server.ollamaCloudUrl}/api/version`)).status).toBe(401);
});

test('ids come again in every answer, call ids do not', async () => {
  const step = { output: [{ type: 'function_call', name: 'add', arguments: {} }] };
  await server.script('collide', [step, step]);
  type Answer = { id: string; output: { id: string; call_id: string }[] };
  const ask = async () =>
    (await (await post('/v1/responses', { model: 'collide', input: 'Hi' })).json()) as Answer;

  const [first, second] = [await ask(), await ask()];

  expect(first.id).toMatch(/^resp_\d{1,6}$/);
  expect(second.id).toBe(first.id);
  expect(second.output[0]?.id).toBe(first.output[0]?.id);
  expect(first.output[0]?.call_id).toMatch(/^call_.{8}$/);
  expect(second.output[0]?.call_id).not.toBe(first.output[0]?.call_id);
});

test('a stream keeps what is said beside a call, and gives the arguments at once', async () => {
  const said = { type: 'message', text: 'I add.' };
  const call = { type: 'function_call', name: 'add', arguments: { a: 'b'.repeat(100) } };
  await server.script('beside', [{ output: [said, call] }]);

  const response = await post('/v1/responses', { model: 'beside', input: 'Hi', stream: true });

  const text = await response.text();
  expect(text).toContain('I add.');
  expect(text.match(/event: response.function_call_arguments.delta/g)).toHaveLength(1);
});

test.each(['/v1/responses', '/v1/chat/completions'])(
  'an error in mid-stream of %s is swallowed',
  async (path) => {
    const output = [{ type: 'message', text: 'A long answer that will never end' }];
    await server.script('broken', [{ output, fault: { error_event: {} } }]);
    const messages = [{ role: 'user', content: 'Hi' }];

    const asked = path === '/v1/responses' ? { input: 'Hi' } : { messages };
    const response = await post(path, { model: 'broken', stream: true, ...asked });

    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).toContain('A long');
    expect(text).not.toMatch(/event: error|"error":\{|completed"|\[DONE\]|"finish_reason":"stop"/);
  },
);
