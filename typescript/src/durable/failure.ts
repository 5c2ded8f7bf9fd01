/** What is told of a run that failed, by its row. */

import {
  InputGuardrailTripwireTriggered,
  MaxTurnsExceededError,
  ModelBehaviorError,
  OutputGuardrailTripwireTriggered,
  UserError,
} from '@openai/agents';
import * as errors from '../errors.ts';
import type { AnyAgent } from '../runState/native.ts';
import { reachable } from './registry.ts';

/** Those that are their message and nothing else, by the names that they have in either language. */
const SAME: Record<string, new (message: string) => Error> = {
  ...errors,
  MaxTurnsExceeded: MaxTurnsExceededError,
  MaxTurnsExceededError,
  ModelBehaviorError,
  UserError,
};
const TRIPPED = { tripwireTriggered: true, outputInfo: null };

/** A run that failed, as far as it is told. */
export interface FailedRun {
  runId: string;
  errorType: string | null;
  error: string | null;
}

/** What `runs.error` says of an error. */
export function words(error: unknown): string {
  if (error instanceof InputGuardrailTripwireTriggered) {
    return refusedInput(error.result.guardrail.name);
  }
  if (error instanceof OutputGuardrailTripwireTriggered) {
    return refusedOutput(error.result.guardrail.name);
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * The error that tells what ended a run, of the same class if it can be made again.
 *
 * @param agent The run's agent, to which a guardrail belongs. Undefined: this process has it not.
 */
export function failure({ runId, errorType, error }: FailedRun, agent?: AnyAgent): Error {
  const [kind, said] = [errorType ?? '', error ?? ''];
  const Same = Object.hasOwn(SAME, kind) ? SAME[kind] : undefined;
  return (
    (Same && new Same(said)) ??
    tripwire(kind, said, agent ? reachable(agent) : []) ??
    new errors.TimestepError(
      `Run ${runId} failed with ${kind}: ${said}. listRunSteps() tells what it had done.`,
    )
  );
}

function tripwire(kind: string, said: string, agents: AnyAgent[]): Error | undefined {
  for (const agent of agents) {
    for (const { name } of agent.inputGuardrails) {
      if (kind !== InputGuardrailTripwireTriggered.name || said !== refusedInput(name)) continue;
      const guardrail = { type: 'input', name } as const;
      return new InputGuardrailTripwireTriggered(said, { guardrail, output: TRIPPED });
    }
    for (const { name } of agent.outputGuardrails) {
      if (kind !== OutputGuardrailTripwireTriggered.name || said !== refusedOutput(name)) continue;
      const result = { guardrail: { type: 'output', name }, agent, agentOutput: null };
      return new OutputGuardrailTripwireTriggered(said, { ...result, output: TRIPPED } as never);
    }
  }
  return undefined;
}

function refusedInput(guardrail: string): string {
  return `The guardrail ${guardrail} refused the input.`;
}

function refusedOutput(guardrail: string): string {
  return `The guardrail ${guardrail} refused the output.`;
}
