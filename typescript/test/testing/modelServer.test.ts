import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fault, ModelServer, type Step } from '../../src/testing/index.ts';

const HELLO: Step = { output: [{ type: 'message', text: 'Hello, how can I help you today?' }] };

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

function ask(id: string, body: object = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${server.url}/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.apiKey(id)}` },
    body: JSON.stringify({ model: 'gpt-4.1', input: 'Hello', ...body }),
    ...(signal && { signal }),
  });
}

async function events(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((event) => JSON.parse(event.split('\ndata: ')[1] ?? ''));
}

async function failing(id: string, fault: Fault, body: object = {}): Promise<Response> {
  await server.script(id, [{ ...HELLO, fault }]);
  return ask(id, body);
}

test('a streamed answer has the events of OpenAI in its order', async () => {
  await server.script('events', [
    {
      output: [
        { type: 'reasoning', summary: 'Hm.' },
        { type: 'message', text: 'Hi' },
        { type: 'function_call', name: 'add', arguments: {} },
      ],
    },
  ]);

  const received = await events(await ask('events', { stream: true }));

  expect(received.map((event) => event.type)).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.reasoning_summary_part.added',
    'response.reasoning_summary_text.delta',
    'response.reasoning_summary_text.done',
    'response.reasoning_summary_part.done',
    'response.output_item.done',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.output_item.added',
    'response.function_call_arguments.delta',
    'response.function_call_arguments.done',
    'response.output_item.done',
    'response.completed',
  ]);
  expect(received.map((event) => event.sequence_number)).toEqual(received.map((_, i) => i));
});

test('the streamed pieces of a text make the text, whatever its alphabet', async () => {
  const said = 'Grüße 日本語 🎉🎉🎉 und so weiter, '.repeat(40);
  await server.script('pieces', [{ output: [{ type: 'message', text: said }] }]);

  const received = await events(await ask('pieces', { stream: true }));

  const deltas = received.filter((event) => event.type === 'response.output_text.delta');
  expect(deltas.length).toBeGreaterThan(10);
  expect(deltas.map((event) => event.delta).join('')).toBe(said);
  expect(received.at(-1)).toMatchObject({ response: { output: [{ content: [{ text: said }] }] } });
});

test('one script gives the same answer each time, and another seed gives other ids', async () => {
  const steps: Step[] = [{ output: [{ type: 'function_call', name: 'add', arguments: '{}' }] }];
  const answers: string[] = [];
  for (const [id, seed] of [
    ['same', 'a'],
    ['other', 'a'],
    ['third', 'b'],
  ] as const) {
    await server.script(id, steps, { seed });
    answers.push(await (await ask(id)).text());
  }

  expect(answers[1]).toBe(answers[0]);
  expect(answers[2]).not.toBe(answers[0]);
});

test('a step answers only the request that holds its text', async () => {
  await server.script('match', [
    { match: 'weather', output: [{ type: 'message', text: 'Sunny' }] },
    { match: { instructions: 'French' }, output: [{ type: 'message', text: 'Bonjour' }] },
    HELLO,
  ]);

  const answers = await Promise.all([
    ask('match', { instructions: 'Speak French' }),
    ask('match'),
    ask('match', { input: 'How is the weather?' }),
  ]);

  const said = await Promise.all(answers.map((answer) => answer.text()));
  expect(said[0]).toContain('Bonjour');
  expect(said[1]).toContain('how can I help');
  expect(said[2]).toContain('Sunny');
});

test('a held request waits until it is released', async () => {
  await server.script('held', [{ ...HELLO, hold: 'door' }]);
  let answered = false;
  const asked = ask('held').then((response) => {
    answered = true;
    return response;
  });

  await server.waitUntilHeld('held', 'door');
  expect(answered).toBe(false);
  expect(await server.requests('held')).toMatchObject([{ status: null, step: 0 }]);
  await server.release('held', 'door');

  expect((await asked).status).toBe(200);
  expect(await server.requests('held')).toMatchObject([{ status: 200, step: 0 }]);
});

test('a release that comes first lets the next request pass, and only one', async () => {
  await server.script('early', [
    { ...HELLO, hold: 'door' },
    { ...HELLO, hold: 'door' },
  ]);
  await server.release('early', 'door');

  expect((await ask('early')).status).toBe(200);
  const second = ask('early');
  await server.waitUntilHeld('early', 'door');
  await server.release('early', 'door');
  expect((await second).status).toBe(200);
});

test('a client that hangs up is no longer held', async () => {
  await server.script('gone', [{ ...HELLO, hold: 'door' }]);
  const hangUp = new AbortController();
  const asked = ask('gone', {}, hangUp.signal);
  await server.waitUntilHeld('gone', 'door');
  hangUp.abort();

  await expect(asked).rejects.toThrow();
  await expect
    .poll(async () => {
      const waiting = server.waitUntilHeld('gone', 'door', 1);
      return waiting.then(
        () => 'held',
        () => 'empty',
      );
    })
    .toBe('empty');
  expect(await server.requests('gone')).toMatchObject([{ status: null }]);
});

test('waiting for a request that never comes ends with an error', async () => {
  await server.script('nobody', [{ ...HELLO, hold: 'door' }]);
  await expect(server.waitUntilHeld('nobody', 'door', 20)).rejects.toThrow("'door'");
});

test('a status fault carries its headers and an error in the form of OpenAI', async () => {
  const response = await failing('limited', { status: 429, headers: { 'Retry-After': '7' } });

  expect(response.status).toBe(429);
  expect(response.headers.get('retry-after')).toBe('7');
  expect(await response.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
});

test('a raw fault is sent as it is', async () => {
  const response = await failing('raw', { raw: '<html>gateway</html>', status: 502 });
  expect(response.status).toBe(502);
  expect(await response.text()).toBe('<html>gateway</html>');
});

test('a cut stream breaks off after so many bytes', async () => {
  const response = await failing('cut', { cut_after: 500 }, { stream: true });
  let received = 0;
  const read = async () => {
    for await (const chunk of response.body ?? []) received += chunk.length;
  };

  await expect(read()).rejects.toThrow();
  expect(received).toBe(500);
});

test('a cut reply is shorter than it says', async () => {
  const response = await failing('short', { cut_after: 100 });
  await expect(response.text()).rejects.toThrow();
});

test('a request that hangs gets nothing until its client gives up', async () => {
  await server.script('hang', [{ ...HELLO, fault: { hang: true } }]);
  await expect(ask('hang', {}, AbortSignal.timeout(300))).rejects.toThrow('timeout');
  expect(await server.requests('hang')).toMatchObject([{ status: null, step: 0 }]);
});

test('a stream may stall half-way', async () => {
  await server.script('stall', [{ ...HELLO, fault: { cut_after: 200, hang: true } }]);
  const response = await ask('stall', { stream: true }, AbortSignal.timeout(300));
  await expect(response.text()).rejects.toThrow('timeout');
});

test('a delayed answer comes late', async () => {
  const before = performance.now();
  const response = await failing('late', { delay_ms: 150 });
  expect(response.status).toBe(200);
  expect(performance.now() - before).toBeGreaterThanOrEqual(145);
});

test('an error event ends a stream that never completes', async () => {
  const fault = { error_event: { code: 'server_error', message: 'Out of memory' } };
  const received = await events(await failing('event', fault, { stream: true }));

  expect(received.at(-1)).toMatchObject({ type: 'error', message: 'Out of memory' });
  expect(received.map((event) => event.type)).not.toContain('response.completed');
});

test('usage is as the script says, the rest counted', async () => {
  await server.script('usage', [
    { ...HELLO, usage: { input_tokens: 1000, input_tokens_details: { cached_tokens: 600 } } },
    HELLO,
  ]);

  const said = (await (await ask('usage')).json()) as { usage: object };
  const counted = (await (await ask('usage')).json()) as { usage: object };

  expect(said.usage).toMatchObject({
    input_tokens: 1000,
    input_tokens_details: { cached_tokens: 600 },
    output_tokens_details: { reasoning_tokens: 0 },
  });
  expect(counted.usage).toMatchObject({ input_tokens: 10, output_tokens: 8, total_tokens: 18 });
});

test('a response may be incomplete', async () => {
  const response = { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
  await server.script('incomplete', [{ ...HELLO, response }]);

  const received = await events(await ask('incomplete', { stream: true }));
  expect(received.at(-1)).toMatchObject({ type: 'response.incomplete', response });
});

test('the journal holds the exact text of each body, and the headers', async () => {
  await server.script('journal', [HELLO]);
  const body = '{ "model":"gpt-4.1",  "input":"\\u00e9é"}';
  const headers = {
    authorization: `Bearer ${server.apiKey('journal')}`,
    'OpenAI-Organization': 'org-1',
  };
  const before = Date.now();
  await fetch(`${server.url}/responses?a=b`, { method: 'POST', headers, body });

  const [entry, ...others] = await server.requests('journal');
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ method: 'POST', path: '/v1/responses?a=b', body, status: 200 });
  expect(entry?.headers['openai-organization']).toBe('org-1');
  expect(entry?.at).toBeGreaterThanOrEqual(before);
});

test('the whole journal holds requests that named no script', async () => {
  await fetch(`${server.url}/responses?lost`, { method: 'POST', body: '{}' });
  const entries = await server.requests();
  expect(entries.at(-1)).toMatchObject({ path: '/v1/responses?lost', status: 401, script: null });
});

test('a refused request uses up no step', async () => {
  await server.script('refused', [HELLO]);
  expect((await ask('refused', { temprature: 1 })).status).toBe(400);
  expect((await ask('refused')).status).toBe(200);
});

test('a misspelt step is told at once', async () => {
  const steps = [{ ouput: [] }] as unknown as Step[];
  await expect(server.script('misspelt', steps)).rejects.toThrow('ouput');
  const faults = [{ fault: { stauts: 429 } }] as unknown as Step[];
  await expect(server.script('misspelt', faults)).rejects.toThrow('stauts');
});

test('a script that is set again begins anew, and a removed one is unknown', async () => {
  await server.script('again', [HELLO]);
  await ask('again');
  await server.script('again', [HELLO]);
  expect(await server.requests('again')).toEqual([]);
  expect((await ask('again')).status).toBe(200);

  await server.remove('again');
  expect((await ask('again')).status).toBe(422);
});

test('a closed server holds nobody', async () => {
  const other = await ModelServer.start();
  await other.script('held', [{ ...HELLO, hold: 'door' }]);
  const asked = fetch(`${other.url}/responses`, {
    method: 'POST',
    headers: { authorization: 'Bearer test-held' },
    body: JSON.stringify({ model: 'gpt-4.1', input: 'Hello' }),
  });
  const failed = expect(asked).rejects.toThrow();
  await other.waitUntilHeld('held', 'door');

  await other.close();
  await other.close();
  await failed;
});
