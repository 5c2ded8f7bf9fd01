/** The error that those get who did not execute a run that failed. */

import {
  Agent,
  InputGuardrailTripwireTriggered,
  MaxTurnsExceededError,
  OutputGuardrailTripwireTriggered,
} from '@openai/agents';
import { expect, test } from 'vitest';
import { failure, words } from '../../src/durable/failure.ts';
import { NotDurableError, TimestepError } from '../../src/errors.ts';

const inner = new Agent({
  name: 'inner',
  outputGuardrails: [
    { name: 'polite', execute: async () => ({ tripwireTriggered: false, outputInfo: null }) },
  ],
});
const agent = new Agent({
  name: 'outer',
  handoffs: [inner],
  inputGuardrails: [
    { name: 'sober', execute: async () => ({ tripwireTriggered: false, outputInfo: null }) },
  ],
});

function told(errorType: string, error: string, of?: typeof agent): Error {
  return failure({ runId: 'w', errorType, error }, of);
}

test('an error that is its message is told as it was, whatever the language called it', () => {
  for (const name of ['MaxTurnsExceeded', 'MaxTurnsExceededError']) {
    expect(told(name, 'Max turns (1) exceeded')).toBeInstanceOf(MaxTurnsExceededError);
  }
  const ours = told('NotDurableError', 'no');
  expect(ours).toBeInstanceOf(NotDurableError);
  expect(ours.message).toBe('no');
});

test('a tripwire is told with the guardrail of the agent', () => {
  const input = told(
    'InputGuardrailTripwireTriggered',
    'The guardrail sober refused the input.',
    agent,
  );
  expect(input).toBeInstanceOf(InputGuardrailTripwireTriggered);
  expect(words(input)).toBe('The guardrail sober refused the input.');
  const output = told(
    'OutputGuardrailTripwireTriggered',
    'The guardrail polite refused the output.',
    agent,
  );
  expect(output).toBeInstanceOf(OutputGuardrailTripwireTriggered);
  expect((output as InstanceType<typeof OutputGuardrailTripwireTriggered>).result.agent).toBe(
    inner,
  );
});

test('what cannot be made again is told in words', () => {
  for (const error of [
    told('RateLimitError', 'later'),
    told('InputGuardrailTripwireTriggered', 'The guardrail sober refused the input.'),
    told('toString', 'strange'),
  ]) {
    expect(error.constructor).toBe(TimestepError);
    expect(error.message).toMatch(/^Run w failed with \w+: .*listRunSteps\(\)/);
  }
});
