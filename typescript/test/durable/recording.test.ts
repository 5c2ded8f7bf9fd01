/** What is recorded of a call, and what a tool returns that is not called again. */

import { createHash } from 'node:crypto';
import { setTracingDisabled, tool } from '@openai/agents';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { outputItem } from '../../src/durable/internals.ts';
import { modelKey, toolKey } from '../../src/durable/journal.ts';
import { hashesOf, recordedTool } from '../../src/durable/recordedTool.ts';
import { nativeParts } from '../../src/durable/toolOutput.ts';
import type { AnyFunctionTool } from '../../src/durable/tools.ts';
import { toWireItem, type WireItem } from '../../src/runState/items.ts';

beforeAll(() => setTracingDisabled(true));

const CALL = { type: 'function_call', callId: 'c1', name: 'any', arguments: '{}' };

function aTool(more: object = {}): AnyFunctionTool {
  const made = tool({
    name: 'any',
    description: '',
    parameters: z.object({}),
    execute: async () => 'done',
    ...more,
  });
  return made as AnyFunctionTool;
}

/** What the model gets of a result. */
function wireOutput(value: unknown): unknown {
  return toWireItem(outputItem(aTool(), CALL, value)).output;
}

test('keys name the path of a loop and the call', () => {
  expect(modelKey('', 0)).toBe('m::0');
  expect(modelKey('/c1~2', 3)).toBe('m:/c1~2:3');
  expect(toolKey('/c1', 'a~b/c%d:é f')).toBe('t:/c1/a%7Eb%2Fc%25d%3A%C3%A9 f');
});

test.each([
  { name: 'a text', value: { type: 'text', text: 'hello' } },
  { name: 'an image by its address', value: { type: 'image', image: 'https://a.example/b.png' } },
  { name: 'an image in detail', value: { type: 'image', image: 'data:x', detail: 'low' } },
  { name: 'an image by its id', value: { type: 'image', image: { fileId: 'file_1' } } },
  { name: 'a file by its id', value: { type: 'file', file: { id: 'file_1' } } },
  {
    name: 'a file by its address',
    value: { type: 'file', file: { url: 'https://a.example/b.pdf', filename: 'b.pdf' } },
  },
  {
    name: 'a file with its content',
    value: {
      type: 'file',
      file: { data: 'aGVsbG8=', mediaType: 'application/pdf', filename: 'b.pdf' },
    },
  },
])('the recorded output of $name is that output again', ({ value }) => {
  const output = wireOutput([value, { type: 'text', text: 'and more' }]);
  expect(wireOutput(nativeParts(output as WireItem[]))).toEqual(output);
});

test('arguments have the hash that either language gave them', () => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  expect(hashesOf('{"n":"é"}')).toContain(sha256(Buffer.from('{"n":"é"}')));
  const lone = hashesOf('a\ud800b');
  expect(lone).toContain(sha256(Buffer.from('a\ufffdb')));
  expect(lone).toContain(sha256(Buffer.from([0x61, 0xed, 0xa0, 0x80, 0x62])));
});

test('a recorded tool is that tool outside of durable runs', async () => {
  const calls: unknown[] = [];
  const original = aTool({
    execute: async () => {
      calls.push('called');
      return { found: 1 };
    },
  });
  const recorded = recordedTool(original);
  expect(recordedTool(original)).toBe(recorded);
  expect(recordedTool(recorded)).toBe(recorded);
  expect(await recorded.invoke({} as never, '{}')).toEqual({ found: 1 });
  expect(calls).toEqual(['called']);
});

test('the time limit of a tool is kept inside of what is recorded', async () => {
  const original = aTool({ timeoutMs: 20, execute: () => new Promise(() => {}) });
  const recorded = recordedTool(original);
  expect(recorded.timeoutMs).toBeUndefined();
  expect(await recorded.invoke({} as never, '{}')).toContain('timed out');
});
