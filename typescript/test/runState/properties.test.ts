/** Whatever items come, known or not, whole or not: nothing of them is lost, and the SDK takes them. */

import { protocol } from '@openai/agents';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromWireItems, inputItems, toWireItems, type WireItem } from '../../src/runState/items.ts';
import { decode, encode } from '../../src/runState/record.ts';
import { Anything } from './anything.ts';
import { type Echo, openEcho } from './sdk.ts';

let sdk: Echo;
beforeAll(async () => {
  sdk = await openEcho();
});
afterAll(() => sdk[Symbol.asyncDispose]());

const seeds = Array.from({ length: 60 }, (_, seed) => seed);

it.each(seeds)(
  'items are stored again as they were and reach the model so (seed %i)',
  async (seed) => {
    const any = new Anything(seed);
    const wires = Array.from({ length: 12 }, () => item(any));
    const items = fromWireItems(wires);
    for (const read of items) expect(protocol.ModelItem.parse(read)).toEqual(read);
    expect(toWireItems(items)).toEqual(wires);
    expect((await sdk.sent(items)).map(withoutStatus)).toEqual(wires);
    // A user's message may say that it is one; the SDK says nothing.
    expect(toWireItems(inputItems(wires)).map(withoutType)).toEqual(wires.map(withoutType));
  },
);

it.each(seeds)('any value has one text, from which it comes back (seed %i)', (seed) => {
  const value = new Anything(seed).value(4);
  const text = encode(value);
  expect(text).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(text)).toEqual(value);
  expect(encode(JSON.parse(text))).toBe(text);
});

it.each(seeds)('a damaged document is refused in words, or read (seed %i)', (seed) => {
  const any = new Anything(seed);
  const usage = { requests: 0, input_tokens: 0, output_tokens: 0, total_tokens: 0 };
  const run = { status: 'interrupted', agent: 'a', turn: 1, max_turns: 3, original_input: [] };
  const call = { type: 'tool_call_item', agent: 'a', raw: item(any) };
  const writer = {
    language: 'python',
    sdk_version: '1',
    schema_version: '1',
    timestep_version: '1',
  };
  const whole: WireItem = {
    ...{ format: 'timestep.run_state/1', writer, usage, ...run },
    items: [call, { type: 'tool_approval_item', agent: 'a', raw: 0 }],
    responses: [{ output: [0], usage }],
    pending: { new_items: [0], functions: [{ call: 0, nested: { ...run } }] },
    interruptions: [1],
  };
  whole[any.pick(Object.keys(whole))] = any.value();
  try {
    decode(JSON.stringify(whole));
  } catch (error) {
    expect(String(error)).toMatch(
      /^NotPortableError: The saved run (cannot be read: \S+|has the format)/,
    );
  }
});

/** A wire item of some kind, with fields left out and added where the kind allows it. */
function item(any: Anything): WireItem {
  const id = `id_${any.below(100)}`;
  const call_id = `call_${any.below(100)}`;
  const status = any.pick(['completed', 'in_progress', 'incomplete']);
  const text = any.text();
  const make = any.pick<() => WireItem>([
    () =>
      any.varied(
        { role: any.pick(['user', 'system', 'developer']), content: text, id, type: 'message' },
        ['role', 'content'],
      ),
    () => any.varied({ role: 'user', content: any.list(() => part(any)), id }, ['role', 'content']),
    () =>
      any.varied({ role: 'assistant', content: text, type: 'message', id }, ['role', 'content']),
    () =>
      any.varied(
        {
          type: 'message',
          role: 'assistant',
          status,
          id,
          content: any.list(() => words(any)),
          phase: 'commentary',
        },
        ['type', 'role', 'content'],
      ),
    () =>
      any.varied(
        { type: 'function_call', call_id, name: 'f', arguments: text, id, status, namespace: 'n' },
        ['type', 'call_id', 'name', 'arguments'],
      ),
    () =>
      any.varied(
        { type: 'function_call_output', call_id, output: text, id, status: 'incomplete' },
        ['type', 'call_id', 'output'],
      ),
    () =>
      any.varied(
        {
          type: 'reasoning',
          id,
          status,
          encrypted_content: text,
          summary: any.list(() => ({ type: 'summary_text', text })),
          content: any.list(() => ({ type: 'reasoning_text', text })),
        },
        ['type', 'id', 'summary'],
      ),
    () =>
      any.varied(
        {
          type: 'mcp_call',
          id,
          name: 'f',
          arguments: text,
          server_label: 's',
          output: text,
          error: text,
        },
        ['type', 'id', 'name', 'arguments', 'server_label'],
      ),
    () =>
      any.varied(
        { type: 'mcp_approval_request', id, name: 'f', arguments: text, server_label: 's' },
        ['type', 'id', 'name', 'arguments', 'server_label'],
      ),
    () =>
      any.varied(
        {
          type: 'web_search_call',
          id,
          status: 'completed',
          action: { type: 'search', query: text },
        },
        ['type', 'id', 'status'],
      ),
    () =>
      any.varied(
        {
          type: any.pick(['item_reference', 'custom_tool_call', 'later']),
          id,
          call_id,
          input: any.value(),
        },
        ['type'],
      ),
  ]);
  return make();
}

function part(any: Anything): WireItem {
  const text = any.text();
  const make = any.pick<() => WireItem>([
    () => any.varied({ type: 'input_text', text }, ['type', 'text']),
    () =>
      any.varied({ type: 'input_image', image_url: 'https://example.com/a', detail: 'low' }, [
        'type',
        'image_url',
      ]),
    () =>
      any.varied({ type: 'input_image', file_id: 'file_1', detail: 'auto' }, [
        'type',
        'file_id',
        'detail',
      ]),
    () => any.varied({ type: 'input_file', file_id: 'file_1', filename: 'a' }, ['type', 'file_id']),
    () =>
      any.varied({ type: 'input_file', file_url: 'http://example.com/a' }, ['type', 'file_url']),
    () =>
      any.varied(
        { type: 'input_file', file_data: any.pick(['data:,a', 'YQ==', 'no data!']), filename: 'a' },
        ['type', 'file_data'],
      ),
    () => any.varied({ type: 'input_later', value: any.value() }, ['type']),
  ]);
  return make();
}

function words(any: Anything): WireItem {
  const text = any.text();
  const make = any.pick<() => WireItem>([
    () =>
      any.varied(
        { type: 'output_text', text, annotations: [], logprobs: any.list(() => ({ token: text })) },
        ['type', 'text', 'annotations'],
      ),
    () => any.varied({ type: 'refusal', refusal: text }, ['type', 'refusal']),
    () => any.varied({ type: 'output_later', value: any.value() }, ['type']),
  ]);
  return make();
}

function withoutType({ type, ...rest }: WireItem): WireItem {
  return type === 'message' ? rest : { type, ...rest };
}

/** The SDK says of every result that it is complete; other clients leave that out. */
function withoutStatus(sent: WireItem): WireItem {
  const { status, ...rest } = sent;
  return sent.type === 'function_call_output' && status === 'completed' ? rest : sent;
}
