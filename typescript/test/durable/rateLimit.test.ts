/** Limits on model calls and tokens, over several processes. */

import { describe, expect, test, vi } from 'vitest';
import { estimate, ModelRateLimit, namesOf } from '../../src/durable/rateLimit.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { aCompany, answerOf, says } from '../support/durable.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 180_000 });

describe('a limit', () => {
  test.each([
    [{}, /needs requests, tokens, or both/],
    [{ requests: 0 }, /requests is 0/],
    [{ tokens: 1.5 }, /tokens is 1.5/],
    [{ requests: 1, perSeconds: 0 }, /perSeconds is 0/],
  ])('of %o is refused', (given, words) => {
    expect(() => new ModelRateLimit(given)).toThrow(ConfigurationError);
    expect(() => new ModelRateLimit(given)).toThrow(words);
  });

  test('is for a minute where no period is given', () => {
    expect(new ModelRateLimit({ requests: 1 })).toEqual({
      requests: 1,
      tokens: undefined,
      perSeconds: 60,
    });
  });

  test.each([
    ['gpt-5', ['gpt-5', 'openai']],
    ['openai/gpt-5', ['gpt-5', 'openai']],
    ['ollama/llama3', ['ollama/llama3', 'ollama']],
    ['a/b/c', ['a/b/c', 'a']],
  ])('for %s counts under %o', (model, names) => {
    expect(namesOf(model)).toEqual(names);
  });

  test('counts a token for four characters, and what the answer may have', () => {
    const request = { systemInstructions: 'four', input: 'four', modelSettings: { maxTokens: 7 } };
    // the input is JSON, with its quotes: 4 + 6 characters
    expect(estimate(request as never)).toBe(3 + 7);
  });
});

describe('over several processes', () => {
  const company = aCompany();

  interface Slot {
    at: number;
    tokens: number;
  }

  const slots = () =>
    company.it.rows<Slot>(
      `select extract(epoch from slot_at)::float8 * 1000 as at, tokens::int
        from timestep.rate_limit_slots order by at`,
    );

  /** Three processes with two runs each, under one limit; the times at which the model was asked. */
  async function limited(limit: { requests?: number; tokens?: number; seconds: number }) {
    await company.it.script(...Array.from({ length: 6 }, () => says('done')));
    // times that are long over are removed: on a busy machine before they are looked at here
    await company.it.rows(
      'create rule keep as on delete to timestep.rate_limit_slots do instead nothing',
    );
    const workers = ['a', 'b', 'c'].map((name) =>
      company.it.worker('limited', { ids: [`${name}0`, `${name}1`], ...limit }),
    );
    for (const { ended } of workers) {
      const answers = answerOf(await ended);
      expect(answers.map(({ status }: { status: string }) => status)).toEqual([
        'completed',
        'completed',
      ]);
    }
    return (await company.it.requests()).map(({ at }) => at).sort((a, b) => a - b);
  }

  test('model calls keep their limit', async () => {
    const times = await limited({ requests: 2, seconds: 2 });
    const given = await slots();
    expect(times).toHaveLength(6);
    expect(given).toHaveLength(6);
    for (const [index, { at }] of given.entries()) {
      expect(times[index], 'a call was made before its time').toBeGreaterThanOrEqual(at - 1);
      const inWindow = given.filter((slot) => slot.at >= at && slot.at < at + 2000);
      expect(inWindow.length).toBeLessThanOrEqual(2);
    }
  });

  test('tokens keep their limit, by what calls really used', async () => {
    const times = await limited({ tokens: 25, seconds: 2 });
    const given = await slots();
    expect(times).toHaveLength(6);
    // 11 tokens a call, as the model said: two fit into 25, and no estimate is left
    expect(given.map(({ tokens }) => tokens)).toEqual([11, 11, 11, 11, 11, 11]);
    for (const [index, { at }] of given.entries()) {
      expect(times[index], 'a call was made before its time').toBeGreaterThanOrEqual(at - 1);
      const inWindow = given.filter((slot) => slot.at >= at && slot.at < at + 2000);
      expect(inWindow.length).toBeLessThanOrEqual(2);
    }
  });
});
