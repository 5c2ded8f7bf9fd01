/** Functions whose whole behaviour is a table: contexts, prompts, schemas, prices. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { promptSize, refuseCut } from '../../src/models/context.ts';
import { price } from '../../src/models/index.ts';
import { inline } from '../../src/models/schemas.ts';
import { fromWireItems } from '../../src/runState/items.ts';
import { expectError, rows, thrown } from '../support/vectors.ts';

describe('a cut is told', () => {
  it.each(rows('models/contexts.json'))('$description', async (row) => {
    const measured = {
      model: 'llama3',
      prompt: { words: row.words, letters: row.letters },
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      context: row.context ?? undefined,
    };
    if (!row.error) return refuseCut(measured);
    const message = ['llama3', row.error, 'numCtx'];
    const error = await thrown(() => refuseCut(measured));
    expectError(error, { name: 'ModelBehaviorError', message });
  });
});

describe('a prompt has a size', () => {
  it.each(rows('models/prompts.json'))('$description', ({ instructions, input, ...size }) => {
    const items = typeof input === 'string' ? input : fromWireItems(input);
    expect(promptSize(instructions ?? undefined, items)).toEqual({
      words: size.words,
      letters: size.letters,
    });
  });
});

describe('references are written out', () => {
  it.each(rows('models/schemas.json'))('$description', async ({ input, output, error }) => {
    if (error) return expectError(await thrown(() => inline(input, 'plant')), error);
    expect(inline(input, 'plant')).toEqual(output);
  });
});

describe('a call has a price', () => {
  const lock = new URL('../../../package-lock.json', import.meta.url);
  const installed = JSON.parse(readFileSync(lock, 'utf8')).packages[
    'node_modules/@pydantic/genai-prices'
  ].version;

  it.each(rows('models/prices.json'))('$description', (row) => {
    const found = price(row.provider, row.model, {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      local: row.local,
    });
    expect(found).toEqual({ amount: row.amount, table: `genai-prices ${installed}` });
  });
});
