/** Results of guardrails, between the SDK's form and the saved one. */

import { defined } from './content.ts';
import type { NativeGuardrailResult, NativeState } from './native.ts';
import type { GuardrailKind, GuardrailResult, Run } from './record.ts';

const KINDS = [
  ['input', 'inputGuardrailResults'],
  ['output', 'outputGuardrailResults'],
  ['tool_input', 'toolInputGuardrailResults'],
  ['tool_output', 'toolOutputGuardrailResults'],
] as const;

/** What a tool's guardrail decided: the saved name and the SDK's. */
const BEHAVIORS = [
  ['allow', 'allow'],
  ['reject_content', 'rejectContent'],
  ['raise_exception', 'throwException'],
] as const;

/** The results of all kinds of guardrails that had any. */
export function writeGuardrails(native: NativeState): NonNullable<Run['guardrails']> {
  const written = KINDS.map(
    ([kind, name]) => [kind, (native[name] ?? []).map(writeResult)] as const,
  );
  return Object.fromEntries(written.filter(([, results]) => results.length > 0));
}

/** The same results under the names of the SDK's document. */
export function readGuardrails(
  guardrails: NonNullable<Run['guardrails']>,
): Record<string, unknown> {
  return Object.fromEntries(
    KINDS.map(([kind, name]) => [name, (guardrails[kind] ?? []).map((r) => readResult(kind, r))]),
  );
}

function writeResult({
  guardrail,
  output,
  agent,
  agentOutput,
}: NativeGuardrailResult): GuardrailResult {
  const { tripwireTriggered, outputInfo, behavior } = output;
  const type = BEHAVIORS.find(([, name]) => name === behavior?.type)?.[0];
  return defined({
    name: guardrail.name,
    tripped: tripwireTriggered,
    behavior: behavior && { ...behavior, type },
    info: outputInfo ?? undefined,
    agent: agent?.name,
    agent_output: agentOutput ?? undefined,
  }) as unknown as GuardrailResult;
}

function readResult(kind: GuardrailKind, result: GuardrailResult): object {
  const { name, tripped, info, agent, agent_output, behavior } = result;
  const type = BEHAVIORS.find(([saved]) => saved === behavior?.type)?.[1];
  return defined({
    guardrail: { type: kind, name },
    output: defined({
      tripwireTriggered: tripped,
      outputInfo: info ?? null,
      behavior: behavior && { ...behavior, type },
    }),
    agent: agent === undefined ? undefined : { name: agent },
    agentOutput: kind === 'output' ? (agent_output ?? null) : undefined,
  });
}
