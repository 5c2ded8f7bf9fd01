/** What a run waits for, as rows that people and programs decide on. */

import { approvalsOf, callIdOf, decisionOn } from './decisions.ts';
import { toWireItem, type WireItem } from './items.ts';
import { type AnyRunState, type NativeState, nativeDocument } from './native.ts';
import type { Approval } from './record.ts';

/** One call that waits for a decision, or has it already and waits to be resumed. */
export interface PendingApproval {
  kind: Approval['kind'];
  agent: string;
  tool: string;
  callId: string | null;
  /** The arguments as the model wrote them, to the letter. */
  arguments: string;
  decision: 'approved' | 'rejected' | null;
  message: string | null;
}

/**
 * What the run waits for, that of nested agents included, in the SDK's order.
 *
 * @param native the SDK's document of the state, when it is at hand.
 */
export function pendingApprovals(
  state: AnyRunState,
  native: NativeState = nativeDocument(state),
): PendingApproval[] {
  const decided = approvalsOf(native.context);
  return (native.currentStep?.data?.interruptions ?? []).map(({ rawItem, agent, toolName }) => {
    const raw = toWireItem(rawItem as never);
    const callId = callIdOf(raw);
    const decision = decisionOn(decided, raw, agent?.name);
    return {
      kind: kindOf(raw),
      agent: agent?.name ?? native.currentAgent.name,
      tool: toolName ?? String(raw.name ?? raw.type),
      callId: typeof callId === 'string' ? callId : null,
      arguments: argumentsOf(raw),
      decision: decision?.decision ?? null,
      message: decision?.message ?? null,
    };
  });
}

function kindOf({ type }: WireItem): Approval['kind'] {
  if (type === 'function_call') return 'function';
  return type === 'mcp_approval_request' ? 'hosted_mcp' : 'other';
}

function argumentsOf(raw: WireItem): string {
  if (typeof raw.arguments === 'string') return raw.arguments;
  return JSON.stringify(raw.action ?? raw.actions ?? raw.operation ?? {});
}
