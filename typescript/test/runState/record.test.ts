import { describe, expect, it } from 'vitest';
import { NotPortableError } from '../../src/errors.ts';
import { decode, encode, portable } from '../../src/runState/record.ts';

const usage = { requests: 0, input_tokens: 0, output_tokens: 0, total_tokens: 0 };
const writer = { language: 'python', sdk_version: '1', schema_version: '1', timestep_version: '1' };
const run = { status: 'run_again', agent: 'a', turn: 0, max_turns: null, original_input: 'x' };
const document = { format: 'timestep.run_state/1', writer, usage, ...run };
const call = { type: 'tool_call_item', agent: 'a', raw: { type: 'function_call', call_id: 'c' } };

describe('the text of a document', () => {
  it('has sorted keys, array indexes first, and nothing but ASCII', () => {
    const value = { b: 1, a: { ﬀ: 1, '😀': 2 }, 10: 'ü', 9: '\u0000\ud800\u007f"' };
    expect(encode(value)).toBe(
      '{"9":"\\u0000\\ud800\\u007f\\"","10":"\\u00fc","a":{"\\ud83d\\ude00":2,"\\ufb00":1},"b":1}',
    );
  });

  it('writes numbers as ECMAScript does', () => {
    expect(encode([5.0, -0, 1e-7, 0.00001, 1.5])).toBe('[5,0,1e-7,0.00001,1.5]');
  });

  it('keeps a key that is called __proto__', () => {
    expect(encode(JSON.parse('{"__proto__":{"b":1,"a":2}}'))).toBe('{"__proto__":{"a":2,"b":1}}');
  });

  it('keeps the order of the user in contexts and tool inputs, nested runs included', () => {
    const nested = { ...run, context: { z: { y: 1, b: 2 }, a: 1 } };
    const pending = { functions: [{ call: 0, nested }] };
    const text = encode({
      ...document,
      pending,
      context: { z: [{ y: 1, b: 2 }], a: 1 },
      tool_input: { q: 1, p: 2 },
    });
    expect(text).toContain('"context":{"z":[{"y":1,"b":2}],"a":1}');
    expect(text).toContain('"context":{"z":{"y":1,"b":2},"a":1}');
    expect(text).toContain('"tool_input":{"q":1,"p":2}');
  });
});

describe('a value that is not portable', () => {
  it.each([
    [
      { context: { order: { lines: [0, { price: Number.NaN }] } } },
      'context.order.lines[1].price is NaN',
    ],
    [{ a: [Number.POSITIVE_INFINITY] }, 'a[0] is Infinity'],
    [{ a: 2 ** 53 }, 'a is 9007199254740992'],
    [{ a: new Map() }, 'a is a Map'],
    [{ a: { b: () => 1 } }, 'a.b is a function'],
    [{ a: 1n }, 'a is a bigint'],
  ])('is refused with its path: %s', (value, message) => {
    expect(() => portable(value)).toThrow(NotPortableError);
    expect(() => portable(value)).toThrow(message);
  });

  it('is not a date, which is its text in JSON, nor something undefined, which is left out', () => {
    expect(portable({ at: new Date(0), none: undefined })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('a text that is no saved run', () => {
  it('is one in the smallest document there is', () => {
    expect(decode(JSON.stringify(document))).toEqual(document);
  });

  it.each([
    ['{', 'is not JSON'],
    ['[]', 'The document is a list, but should be an object'],
    [{ ...document, format: 'x' }, 'format is "x", but should be "timestep.run_state/1"'],
    [
      { ...document, format: 'timestep.run_state/2' },
      'has the format timestep.run_state/2, but this version of Timestep reads timestep.run_state/1',
    ],
    [{ ...document, writer: { ...writer, language: 1 } }, 'writer.language is a number'],
    [
      { ...document, status: 'done' },
      'status is "done", but should be one of interrupted, run_again, terminal',
    ],
    [{ ...document, turn: -1 }, 'turn is -1'],
    [{ ...document, usage: { ...usage, requests: 0.5 } }, 'usage.requests is 0.5'],
    [{ ...document, original_input: [1] }, 'original_input[0] is a number'],
    [
      { ...document, items: [call, { type: 'tool_approval_item', agent: 'a', raw: 1 }] },
      'items[1].raw is 1, but no earlier call stands there',
    ],
    [{ ...document, items: [{ ...call, agent: undefined }] }, 'items[0].agent is missing'],
    [
      { ...document, items: [{ type: 'handoff_output_item', raw: {}, agent: 'a' }] },
      'items[0].source_agent is missing',
    ],
    [
      { ...document, responses: [{ output: [3], usage }] },
      'responses[0].output[0] is 3, but there are only 0 items',
    ],
    [
      {
        ...document,
        approvals: [
          { kind: 'function', scope: 'call', decision: 'approved', agent: 'a', tool_key: [] },
        ],
      },
      'approvals[0].call_id is missing',
    ],
    [{ ...document, pending: { functions: [{ call: 0 }] } }, 'pending.functions[0].call is 0'],
    [
      { ...document, pending: { functions: [{ call: {}, nested: { ...run, agent: 3 } }] } },
      'pending.functions[0].nested.agent is a number',
    ],
    [{ ...document, interruptions: [1] }, 'interruptions[0] is 1, but there are only 0 items'],
  ])('is refused, and the first fault is named: %j', (value, message) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    expect(() => decode(text)).toThrow(NotPortableError);
    expect(() => decode(text)).toThrow(message);
  });
});
