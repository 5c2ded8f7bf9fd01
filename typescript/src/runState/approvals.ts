/** What a run waits for, as rows that people and programs decide on. */

import { UserError } from '@openai/agents';
import { approvalsOf, callIdOf, decisionOn, isAbout } from './decisions.ts';
import { toWireItem, type WireItem } from './items.ts';
import {
  type AnyRunState,
  type ApprovalRecord,
  type NativeState,
  nativeDocument,
} from './native.ts';
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

/**
 * Refuses to resume where the approval of one call would reach another: the SDK keeps the decisions of
 * all runs in one place, by agent, tool and id of the call, and two nested runs may wait for the same.
 *
 * @throws UserError as the Python SDK does where it cannot tell calls apart.
 */
export function refuseSharedApprovals(native: NativeState): void {
  const waiting = native.currentStep?.data?.interruptions ?? [];
  const calls = waiting.map(({ rawItem, agent }) => ({ raw: toWireItem(rawItem as never), agent }));
  for (const approval of approvalsOf(native.context)) {
    const { scope, decision, call_id, agent = 'an agent' } = approval;
    if (scope !== 'call' || decision !== 'approved') continue;
    const reached = calls.filter(
      (call) => callIdOf(call.raw) === call_id && isAbout(approval, call.raw, call.agent?.name),
    );
    if (reached.length > 1) {
      throw new UserError(
        `Cannot resume: ${reached.length} calls of ${agent} wait under one id, ${call_id}, so that ` +
          'approving one approves the others. Reject them, or start anew with a model that gives ' +
          'every call an id of its own.',
      );
    }
  }
}

function kindOf({ type }: WireItem): Approval['kind'] {
  if (type === 'function_call') return 'function';
  return type === 'mcp_approval_request' ? 'hosted_mcp' : 'other';
}

function argumentsOf(raw: WireItem): string {
  if (typeof raw.arguments === 'string') return raw.arguments;
  return JSON.stringify(raw.action ?? raw.actions ?? raw.operation ?? {});
}

/** A call that was approved, and the ids of all calls of its tool that wait. */
export interface ApprovedCall {
  callId: string;
  tool: string;
  waiting: string[];
}

/**
 * The SDK's document with a call left undecided that was approved, in nested runs too. Where every
 * call of the tool was approved, those that wait and were decided on stay so, later ones do not.
 */
export function withoutApproval(document: NativeState, call: ApprovedCall): NativeState {
  const { context, pendingAgentToolRuns: nested } = document;
  const { functionApprovals, legacyFunctionApprovals } = context;
  const approvalInvocations = context.approvalInvocations as Invocations[] | undefined;
  // the SDK takes no approval of a call that it does not know as one of this agent
  const bound = (agent: string): ApprovedCall => {
    const known = approvalInvocations?.find(({ agentIdentity }) => agentIdentity === agent);
    return { ...call, waiting: call.waiting.filter((id) => known?.invocations[id] !== undefined) };
  };
  return {
    ...document,
    context: {
      ...context,
      approvals: undecided(context.approvals, call),
      ...(functionApprovals && {
        functionApprovals: functionApprovals.map((owned) =>
          undecidedOf(owned, bound(owned.agentIdentity)),
        ),
      }),
      ...(legacyFunctionApprovals && {
        legacyFunctionApprovals: undecided(legacyFunctionApprovals, call),
      }),
      ...(approvalInvocations && {
        approvalInvocations: approvalInvocations.map((owned) => ({
          ...undecidedOf(owned, bound(owned.agentIdentity)),
          invocations: { ...owned.invocations, [call.callId]: undefined },
        })),
      }),
    },
    ...(nested && {
      pendingAgentToolRuns: mapped(nested, (text) =>
        JSON.stringify(withoutApproval(JSON.parse(text), call)),
      ),
    }),
  };
}

interface Invocations {
  agentIdentity: string;
  approvals: Record<string, ApprovalRecord>;
  invocations: Record<string, unknown>;
}

function undecidedOf<Owned extends { approvals: Record<string, ApprovalRecord> }>(
  owned: Owned,
  call: ApprovedCall,
): Owned {
  return { ...owned, approvals: undecided(owned.approvals, call) };
}

function undecided(
  records: Record<string, ApprovalRecord>,
  { callId, tool, waiting }: ApprovedCall,
): Record<string, ApprovalRecord> {
  return mapped(records, (record, key) => {
    // the SDK names tools by themselves, or last in a list as JSON
    const isOfTool = key === tool || key.endsWith(`${JSON.stringify(tool)}]`);
    const approved = record.approved === true && isOfTool ? waiting : record.approved;
    const left = Array.isArray(approved) ? approved.filter((id) => id !== callId) : approved;
    return { ...record, approved: left };
  });
}

function mapped<Value>(
  given: Record<string, Value>,
  change: (value: Value, key: string) => Value,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(given).map(([key, each]) => [key, change(each, key)]));
}
