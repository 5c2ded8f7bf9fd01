import { readFileSync } from 'node:fs';
import { setTracingDisabled } from '@openai/agents';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromEnvelope } from '../../src/runState/fromEnvelope.ts';
import { decode, encode } from '../../src/runState/record.ts';
import { toEnvelope } from '../../src/runState/toEnvelope.ts';
import { ModelServer } from '../../src/testing/index.ts';
import { type Carry, native, runThrough } from './harness.ts';
import { scenarios } from './scenarios.ts';

setTracingDisabled(true);

const schema = JSON.parse(
  readFileSync(new URL('../../../spec/run-state.schema.json', import.meta.url), 'utf8'),
);
const validate = new Ajv2020({ strict: false }).compile(schema);

/** Through the text of the envelope, which must be what the specification says and stay the same. */
export const throughEnvelope: Carry = async (state, agent) => {
  const text = encode(toEnvelope(state));
  expect(validate(JSON.parse(text)), JSON.stringify(validate.errors)).toBe(true);
  const read = await fromEnvelope(decode(text), agent);
  expect(encode(toEnvelope(read))).toBe(text);
  return read;
};

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

describe.each(scenarios)('$name', (scenario) => {
  it.each([
    { stream: false, decideFirst: false },
    { stream: true, decideFirst: true },
  ])(
    "goes on from the envelope as from the SDK's own state (stream: $stream, decided before: $decideFirst)",
    async (course) => {
      const expected = await runThrough(server, scenario, native, course);
      const actual = await runThrough(server, scenario, throughEnvelope, course);
      expect(actual).toEqual(expected);
      expect(actual.pauses).toBeGreaterThan(0);
    },
  );
});
