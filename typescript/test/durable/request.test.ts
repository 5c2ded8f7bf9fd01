/** What durable runs refuse to be asked for, before anything is made or launched. */

import { Agent, tool } from '@openai/agents';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  cancelRun,
  configureDBOS,
  createScheduledAgentWorkflow,
  decideApproval,
  durableTool,
  listApprovals,
  listRuns,
  ModelRateLimit,
  markAtMostOnce,
  queueAgentWorkflow,
  runAgentWorkflow,
} from '../../src/durable/index.ts';
import { requested } from '../../src/durable/runs.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { RunStateStore } from '../../src/runState/store.ts';
import { Session } from '../../src/session.ts';

const agent = new Agent({ name: 'a' });
const aTool = tool({
  name: 't',
  description: 't',
  parameters: z.object({}),
  execute: async () => 'done',
});

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

// as plain JavaScript may give it
const misspelled = { maxTurn: 3 } as object;
const asked = { agent, inputItems: 'hi', crontab: '* * * * *', ...misspelled };

test.each<[string, () => unknown, RegExp]>([
  [
    'a run',
    () => runAgentWorkflow({ agent, inputItems: 'hi', ...misspelled }),
    /there are agent, inputItems, .*maxTurns, /,
  ],
  [
    'a queue',
    () => queueAgentWorkflow({ agent, inputItems: 'hi', ...misspelled }),
    /maxTurns, .*deduplicationId, /,
  ],
  ['a schedule', () => createScheduledAgentWorkflow(asked), /maxTurns, .*crontab, /],
  ['a process', () => configureDBOS(misspelled), /there are name, .*leaseSeconds, dbosOptions\./],
  ['limits', () => configureDBOS({ queues: { a: misspelled } }), /there are concurrency, /],
  [
    'a rate',
    () => new ModelRateLimit({ requests: 1, ...misspelled }),
    /there are requests, tokens/,
  ],
  ['a list', () => listRuns(misspelled), /there are status, agent, sessionId, limit\./],
  ['another list', () => listApprovals(misspelled), /there are status, runId, limit\./],
  [
    'a decision',
    () => decideApproval('x', { approve: true, ...misspelled }),
    /there are approve, /,
  ],
  ['an end', () => cancelRun('x', misspelled), /there are reason\./],
  ['a tool', () => durableTool(aTool, misspelled), /there are whenUnknown, atMostOnce\./],
  ['a mark', () => markAtMostOnce(aTool, misspelled), /there are whenUnknown\./],
  ['a session', () => new Session(misspelled), /there are sessionId, connectionString\./],
  ['a store', () => new RunStateStore({ agent, ...misspelled }), /there are agent, sessionId, /],
])('a name that %s does not take', async (_, work, known) => {
  const refusal = await new Promise((resolve) => resolve(work())).catch((error) => error);
  expect(refusal).toBeInstanceOf(TypeError);
  expect(refusal).toMatchObject({
    message: expect.stringMatching(/^There is no option 'maxTurn'; /),
  });
  expect(refusal).toMatchObject({ message: expect.stringMatching(known) });
});

test('what stands before the options of a run is none of them', async () => {
  const options = { workflowId: 'w' } as object;
  const none = [undefined, undefined, undefined, undefined, undefined, undefined] as const;
  await expect(runAgentWorkflow(agent, 'hi', ...none, options)).rejects.toThrow(
    "There is no option 'workflowId'; there are context, maxTurns,",
  );
});

test('a name without a value is not given', () => {
  const options = { requests: 1, perMinute: undefined };
  expect(new ModelRateLimit(options)).toMatchObject({ requests: 1, perSeconds: 60 });
});

test.each([
  ['no', "'no'"],
  [undefined, 'undefined'],
  [1, '1'],
])('a decision that is none: %j', async (approve, shown) => {
  await expect(decideApproval('x', { approve: approve as never })).rejects.toThrow(
    new ConfigurationError(`approve is ${shown}; expected true or false.`),
  );
});
