/** Decisions on calls, between the SDK's context and the runs that they belong to. */

import { isDeepStrictEqual } from 'node:util';
import { defined } from './content.ts';
import type { WireItem } from './items.ts';
import type { ApprovalRecord, NativeContext } from './native.ts';
import { type Approval, encode, type Run, runsIn } from './record.ts';
import { rawOf } from './runItems.ts';

type Subject = Pick<Approval, 'kind' | 'agent' | 'tool_key' | 'tool' | 'server_label'>;

/** All decisions that the context holds, nested runs' included: the SDK keeps them in one place. */
export function approvalsOf(context: NativeContext): Approval[] {
  const functions = (context.functionApprovals ?? []).flatMap(({ agentIdentity, approvals }) =>
    decisions(approvals, (key) => ({
      kind: 'function',
      agent: agentIdentity,
      tool_key: JSON.parse(key) as string[],
    })),
  );
  const hosted = decisions(context.hostedMcpApprovals ?? {}, (key) => {
    const [, server_label, tool] = JSON.parse(key) as string[];
    return { kind: 'hosted_mcp', tool: tool ?? '', server_label: server_label ?? '' };
  });
  const others = decisions(context.approvals, (key) => ({ kind: 'other', tool: key }));
  return [...functions, ...hosted, ...others];
}

function decisions(
  records: Record<string, ApprovalRecord>,
  subject: (key: string) => Subject,
): Approval[] {
  return Object.entries(records).flatMap(([key, record]) => {
    const entries = recorded(record).map((entry) => ({ ...subject(key), ...entry }) as Approval);
    return entries.filter((entry) => entry.scope === 'always' || !isSaidByAlways(entry, entries));
  });
}

function recorded({
  approved,
  rejected,
  messages = {},
  stickyRejectMessage,
}: ApprovalRecord): Partial<Approval>[] {
  const found: Partial<Approval>[] = [];
  if (approved === true) found.push({ scope: 'always', decision: 'approved' });
  else if (rejected === true) {
    found.push(defined({ scope: 'always', decision: 'rejected', message: stickyRejectMessage }));
  }
  const approvedCalls = Array.isArray(approved) ? approved : [];
  // Rejecting one call under a rejection of all leaves no more than its message.
  const rejectedCalls = Array.isArray(rejected) ? rejected : rejected ? Object.keys(messages) : [];
  for (const call_id of approvedCalls) found.push({ scope: 'call', call_id, decision: 'approved' });
  for (const call_id of rejectedCalls.filter((id) => !approvedCalls.includes(id))) {
    found.push(
      defined({ scope: 'call', call_id, decision: 'rejected', message: messages[call_id] }),
    );
  }
  return found;
}

function isSaidByAlways(entry: Approval, entries: Approval[]): boolean {
  return entries.some(({ scope, decision, message }) => {
    return scope === 'always' && decision === entry.decision && message === entry.message;
  });
}

/**
 * Puts every decision into the runs that it belongs to. One on a single call that no run has any more,
 * because the nested run that made it has ended, says nothing and is left out.
 */
export function giveToRuns(outermost: Run, approvals: Approval[]): void {
  const runs = runsIn(outermost);
  for (const approval of approvals) {
    const owners = runs.filter((run) => hasCall(run, approval));
    for (const run of approval.scope === 'call' ? owners.slice(-1) : orElse(owners, outermost)) {
      run.approvals = [...(run.approvals ?? []), approval];
    }
  }
  for (const run of runs) run.approvals?.sort(byText);
}

function orElse(owners: Run[], outermost: Run): Run[] {
  return owners.length > 0 ? owners : [outermost];
}

function hasCall({ items = [], responses = [] }: Run, approval: Approval): boolean {
  const has = (raw: WireItem, agent: string | undefined) =>
    (approval.scope === 'always' || callIdOf(raw) === approval.call_id) &&
    isAbout(approval, raw, agent);
  // A handoff may have taken a call out of the items; it is still in its response.
  const apart = responses
    .flatMap(({ output }) => output)
    .filter((place) => typeof place === 'object');
  return (
    items.some((item) => has(rawOf(items, item), item.agent)) ||
    apart.some((raw) => has(raw, approval.agent))
  );
}

/** Whether a decision is about this call, by its tool; whose call it is, too, where tools are agents'. */
export function isAbout(approval: Approval, raw: WireItem, agent: string | undefined): boolean {
  switch (approval.kind) {
    case 'function':
      return (
        raw.type === 'function_call' &&
        agent === approval.agent &&
        approval.tool_key?.at(-1) === raw.name &&
        (approval.tool_key?.[0] !== 'namespaced' || approval.tool_key[1] === raw.namespace)
      );
    case 'hosted_mcp':
      return (
        raw.type === 'mcp_approval_request' &&
        raw.server_label === approval.server_label &&
        raw.name === approval.tool
      );
    default:
      return callIdOf(raw) === approval.call_id;
  }
}

/** By what a decision names a call. */
export function callIdOf(raw: WireItem): unknown {
  return raw.type === 'mcp_approval_request' ? raw.id : raw.call_id;
}

/** The decision on a call: the one on this call before the one on all calls of its tool. */
export function decisionOn(
  approvals: Approval[],
  raw: WireItem,
  agent: string | undefined,
): Approval | undefined {
  const about = approvals.filter((approval) => isAbout(approval, raw, agent));
  const own = about.find(({ scope, call_id }) => scope === 'call' && call_id === callIdOf(raw));
  return own ?? about.find(({ scope }) => scope === 'always');
}

export function isSameSubject(left: Approval, right: Approval): boolean {
  return isDeepStrictEqual(subjectOf(left), subjectOf(right));
}

function subjectOf({ kind, agent, tool_key, tool, server_label }: Approval): Partial<Subject> {
  return defined({ kind, agent, tool_key, tool, server_label });
}

function byText(left: Approval, right: Approval): number {
  const [a, b] = [encode(left), encode(right)];
  return a < b ? -1 : a > b ? 1 : 0;
}
