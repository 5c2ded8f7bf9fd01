/** What durable runs refuse to be asked for, before anything is made or launched. */

import { Agent } from '@openai/agents';
import { expect, test } from 'vitest';
import { listApprovals, listRuns } from '../../src/durable/index.ts';
import { requested } from '../../src/durable/runs.ts';
import { ConfigurationError } from '../../src/errors.ts';

const agent = new Agent({ name: 'a' });

test.each(['', ' ', 'a\0b', 'x'.repeat(501)])('a name that cannot be used: %j', (workflowId) => {
  expect(() => requested({ agent, inputItems: 'hi', workflowId })).toThrow(ConfigurationError);
});

test('a name that can be used, and one that is made', () => {
  const { runId } = requested({ agent, inputItems: 'hi', workflowId: 'x'.repeat(500) });
  expect(runId).toHaveLength(500);
  const made = () => requested({ agent, inputItems: 'hi' }).runId;
  expect(made()).not.toBe(made());
});

test.each([
  [-1, '-1'],
  [1.5, '1.5'],
  ['5', "'5'"],
  [null, 'null'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
])('a limit that is none: %j', async (given, shown) => {
  const limit = given as number;
  const refusal = new ConfigurationError(`limit is ${shown}; expected a whole number, 0 or more.`);
  await expect(listRuns({ limit })).rejects.toThrow(refusal);
  await expect(listApprovals({ limit })).rejects.toThrow(refusal);
});
