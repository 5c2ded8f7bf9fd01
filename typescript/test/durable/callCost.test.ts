/** What a model call cost follows from its name and its tokens. */

import { readFileSync } from 'node:fs';
import { type Model, Usage } from '@openai/agents';
import { expect, it } from 'vitest';
import { callCost } from '../../src/durable/callCost.ts';
import { rows } from '../support/vectors.ts';

const lock = new URL('../../../package-lock.json', import.meta.url);
const { version } = JSON.parse(readFileSync(lock, 'utf8')).packages[
  'node_modules/@pydantic/genai-prices'
];

it.each(rows('models/call_costs.json'))('$description', (row) => {
  const model = { model: row.model ?? 'another' } as unknown as Model;
  const usage = new Usage({
    input_tokens: row.input_tokens,
    output_tokens: row.output_tokens,
    input_tokens_details: { cached_tokens: row.cached_tokens ?? 0 },
  } as never);
  expect(callCost(row.name, model, usage)).toEqual({
    amount: row.amount,
    table: `genai-prices ${version}`,
  });
});
