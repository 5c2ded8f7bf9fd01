/**
 * Calls of tools that run at most once, and of which nobody knows whether they took effect.
 *
 * - Who decides: a person, where the tool's mark says `ask`; else the model is told.
 * - What time means: a call is repeated only in a segment that began after the person's decision.
 * - On failure: a process that dies in the repeated call leaves it unknown again, and a person is
 *   asked once more.
 */

import { RunContext, RunState } from '@openai/agents';
import { pendingApprovals, withoutApproval } from '../runState/approvals.ts';
import { type AnyRunState, documentOf } from '../runState/native.ts';
import type { Execution } from './execution.ts';
import { type Journal, type RecordedStep, toolKey } from './journal.ts';
import { currentLoop } from './loop.ts';
import { reachable } from './registry.ts';
import { type AnyFunctionTool, whenUnknown } from './tools.ts';

export const OUTCOME_UNKNOWN =
  'The outcome of this call is unknown: the process that made it ended while the call was running. ' +
  'It was not repeated. Find out whether it took effect before you try again.';

/** In `approvals.reason`. */
export const REASON = 'outcome_unknown';

/** The calls that were begun before this execution and have not ended. */
function begunCalls({ rows }: Journal): RecordedStep[] {
  return [...rows.values()].filter(({ kind, status }) => kind === 'tool' && status === 'started');
}

/** Whether a person is asked about a call before it is made, because it was begun before. */
export function isAskedAgain(tool: AnyFunctionTool, callId: string | undefined): boolean {
  const loop = currentLoop();
  if (!loop || callId === undefined || whenUnknown(tool) !== 'ask') return false;
  return loop.journal.rows.get(toolKey(loop.path, callId))?.status === 'started';
}

/** Whether a person has allowed to make a call of unknown outcome again. */
export function mayRepeat({ decisions, segment }: Execution, step: RecordedStep): boolean {
  const decision = decisions.get(step.callId ?? '');
  return decision?.tool === step.name && decision.reason === REASON && step.segment < segment;
}

/**
 * The state without what was decided on calls before their outcome became unknown: the SDK would make
 * an approved call without asking anybody.
 */
export async function leftUndecided(
  execution: Execution,
  state: AnyRunState,
): Promise<AnyRunState> {
  const rejected = pendingApprovals(state).filter(({ decision }) => decision === 'rejected');
  const calls = begunCalls(execution.journal).filter(
    (step) =>
      asks(execution, step) &&
      !mayRepeat(execution, step) &&
      !rejected.some(({ callId }) => callId === step.callId),
  );
  if (calls.length === 0) return state;
  const pending = pendingApprovals(state);
  const document = calls.reduce((left, { callId, name }) => {
    const waiting = pending.filter(({ tool }) => tool === name).map((each) => each.callId ?? '');
    return withoutApproval(left, { callId: callId ?? '', tool: name, waiting });
  }, documentOf(state));
  const text = JSON.stringify(document);
  const context = execution.live?.context;
  if (context === undefined) return await RunState.fromString(execution.agent, text);
  return await RunState.fromStringWithContext(execution.agent, text, new RunContext(context), {
    contextStrategy: 'merge',
  });
}

/** Notes what the model is told about a call of unknown outcome that is not made again. */
export async function closeRejected(
  { journal }: Execution,
  callId: string | null,
  message: string,
): Promise<void> {
  for (const step of begunCalls(journal)) {
    if (step.callId === callId) await journal.closeUnknown(step, message);
  }
}

function asks({ agent: first }: Execution, step: RecordedStep): boolean {
  return reachable(first).some(
    (agent) =>
      agent.name === step.agent &&
      agent.tools.some(
        (tool) =>
          tool.type === 'function' && tool.name === step.name && whenUnknown(tool) === 'ask',
      ),
  );
}
