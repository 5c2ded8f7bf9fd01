import { readFileSync } from 'node:fs';
import { type AgentInputItem, protocol } from '@openai/agents';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  callNames,
  fromWireItem,
  fromWireItems,
  toWireItem,
  toWireItems,
  type WireItem,
} from '../../src/runState/items.ts';
import { type Echo, openEcho } from './sdk.ts';

interface Row {
  description: string;
  wire: WireItem;
  portable?: WireItem;
  /** What the SDKs send where that is more. */
  sent?: WireItem;
  protocol: string;
}

const path = new URL('../../../spec/vectors/items/items.json', import.meta.url);
const rows: Row[] = JSON.parse(readFileSync(path, 'utf8')).rows;

let sdk: Echo;
beforeAll(async () => {
  sdk = await openEcho();
});
afterAll(() => sdk[Symbol.asyncDispose]());

describe.each(rows)(
  '$description',
  ({ wire, portable = wire, sent: asSent = portable, protocol: kind }) => {
    it('becomes the expected kind of item, of the shape that the SDK demands', () => {
      const item = fromWireItem(wire);
      expect(item.type ?? 'message').toBe(kind);
      expect(protocol.ModelItem.parse(item)).toEqual(item);
    });

    it('is stored again as it was', () => {
      expect(toWireItem(fromWireItem(wire))).toEqual(portable);
    });

    it('reaches the model as it was', async () => {
      const [sent] = await sdk.sent([fromWireItem(wire)]);
      expect(withoutStatusOfResult(sent)).toEqual(asSent);
    });
  },
);

/** Kinds that only ever are input; the SDK has no way to receive them as an answer. */
const INPUT_ONLY = new Set(['computer_call_output', 'mcp_approval_response']);
/** What the SDK does not send again, although the model wrote it. */
const UNSENT: Record<string, string[]> = {
  mcp_call: ['output'],
  image_generation_call: ['result'],
};

const answers = rows.filter(
  ({ wire }) =>
    wire.type && wire.role !== 'user' && wire.role !== 'system' && wire.role !== 'developer',
);

describe.each(
  answers.filter(
    ({ wire }) => !INPUT_ONLY.has(String(wire.type)) && Array.isArray(wire.content ?? []),
  ),
)('answered by a model: $description', ({ wire, portable = wire, sent: asSent = portable }) => {
  it('is stored as the model wrote it, which is what the SDK sends', async () => {
    const [item] = await sdk.received([portable]);
    expect(toWireItem(item as AgentInputItem)).toEqual(portable);
    const [sent] = await sdk.sent([item as AgentInputItem]);
    const unsent = UNSENT[String(wire.type)] ?? [];
    expect(without(withoutStatusOfResult(sent), unsent)).toEqual(without(asSent, unsent));
  });
});

it('gives a result the name and namespace of its call', () => {
  const call = {
    type: 'function_call',
    call_id: 'c',
    name: 'buy',
    namespace: 'shop',
    arguments: '{}',
  };
  const result = { type: 'function_call_output', call_id: 'c', output: 'ok' };
  expect(fromWireItems([call, result])[1]).toMatchObject({ name: 'buy', namespace: 'shop' });
  expect(fromWireItems([result], callNames([call]))[0]).toMatchObject({ name: 'buy' });
  expect(fromWireItems([result])[0]).toMatchObject({ name: 'c' });
});

it('never hides a call or its result from the SDK', () => {
  const odd = [
    { type: 'function_call', id: null, call_id: 'c', name: 'f', arguments: '{}', status: null },
    {
      type: 'function_call_output',
      call_id: 'c',
      output: [{ type: 'input_text', text: 'a', extra: 1 }],
    },
  ];
  expect(fromWireItems(odd).map((item) => item.type)).toEqual([
    'function_call',
    'function_call_result',
  ]);
});

it('stores what the SDK accepts from users the way the SDK sends it', async () => {
  const items: AgentInputItem[] = [
    { role: 'user', content: 'a' },
    {
      type: 'message',
      role: 'user',
      content: [
        { type: 'input_text', text: 'a', providerData: { cacheControl: { ttlSeconds: 1 } } },
      ],
    },
    {
      type: 'message',
      role: 'assistant',
      id: 'msg_1',
      status: 'completed',
      content: [
        { type: 'output_text', text: 'b', providerData: { annotations: [], logprobs: [] } },
      ],
    },
    {
      type: 'function_call',
      id: 'FAKE_ID',
      callId: 'c',
      name: 'f',
      arguments: '{}',
      status: 'completed',
    },
    {
      type: 'function_call_result',
      callId: 'c',
      name: 'f',
      status: 'completed',
      output: { type: 'text', text: 'x' },
    },
    {
      type: 'function_call_result',
      callId: 'c',
      name: 'f',
      status: 'completed',
      output: { type: 'image', image: { data: 'AAAA', mediaType: 'image/png' }, detail: 'low' },
    },
    {
      type: 'function_call_result',
      callId: 'c',
      name: 'f',
      status: 'completed',
      output: { type: 'image', image: { fileId: 'file_1' } },
    },
    {
      type: 'function_call_result',
      callId: 'c',
      name: 'f',
      status: 'completed',
      output: { type: 'file', file: { data: 'AAAA', mediaType: 'text/plain', filename: 'a.txt' } },
    },
    {
      type: 'function_call_result',
      callId: 'c',
      name: 'f',
      status: 'completed',
      output: { type: 'file', file: { url: 'https://example.com/a' } },
    },
  ];
  expect(toWireItems(items)).toEqual((await sdk.sent(items)).map(withoutStatusOfResult));
});

it('keeps the sound that only chat-completions models take', () => {
  const wire = {
    role: 'user',
    content: [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }],
  };
  expect(fromWireItem(wire)).toMatchObject({
    content: [{ type: 'audio', audio: 'AAAA', format: 'wav' }],
  });
  expect(toWireItem(fromWireItem(wire))).toEqual(wire);
});

it('stores the answer of a chat-completions model without what the model left on it', () => {
  const left = { role: 'assistant', refusal: null, tool_calls: [], annotations: [] };
  const items: AgentInputItem[] = [
    { type: 'reasoning', content: [], rawContent: [{ type: 'reasoning_text', text: 'hm' }] },
    {
      type: 'message',
      id: 'chatcmpl-1',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'hi', providerData: left }],
    },
    {
      type: 'function_call',
      id: 'chatcmpl-1',
      callId: 'c',
      name: 'f',
      arguments: '{}',
      status: 'completed',
      providerData: { type: 'function', index: 0 },
    },
  ];
  expect(toWireItems(items)).toEqual([
    { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
    {
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'hi' }],
    },
    { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
  ]);
});

/** The SDK says of every result that it is complete; other clients leave that out. */
function withoutStatusOfResult(item: WireItem | undefined): WireItem | undefined {
  const isResult = item?.type === 'function_call_output' && item.status === 'completed';
  return isResult ? without(item, ['status']) : item;
}

function without(item: WireItem | undefined, names: string[]): WireItem {
  return Object.fromEntries(Object.entries(item ?? {}).filter(([key]) => !names.includes(key)));
}
