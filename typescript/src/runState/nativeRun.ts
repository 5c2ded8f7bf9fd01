/** The SDK's own document of a saved run, written as the version that this was tested with. */

import { randomBytes } from 'node:crypto';
import { type Agents, emptyDocument } from './agents.ts';
import { defined } from './content.ts';
import { decisionOn } from './decisions.ts';
import { completedCalls, ownership } from './derived.ts';
import type { Equipment } from './equipment.ts';
import { readGuardrails } from './guardrails.ts';
import { type CallNames, callNames, typedItem, type WireItem } from './items.ts';
import type { AnyAgent, NativeItem } from './native.ts';
import { interruptionOf } from './pending.ts';
import type { FunctionCall, Item, Place, Run, Usage } from './record.ts';
import { readResponses, readUsage } from './responses.ts';
import { approvalItem, rawAt, rawOf, readItem, readItems, stateKey } from './runItems.ts';
import { inputFromWire } from './wire.ts';

/** Where a run is read: among which agents, and what it takes from the run around it. */
interface Surroundings {
  agents: Agents;
  equipment: Map<Run, Equipment>;
  /** The agent that the run began with. */
  root: AnyAgent;
  usage?: Usage | undefined;
  context?: Record<string, unknown> | undefined;
}

const NO_USAGE: Usage = { requests: 0, input_tokens: 0, output_tokens: 0, total_tokens: 0 };

/** The document for `RunState.fromString`; decisions are made afterwards, on the state. */
export async function nativeRun(run: Run, outer: Surroundings): Promise<Record<string, unknown>> {
  const { root } = outer;
  const names = namesOf(run);
  const { usage = outer.usage ?? NO_USAGE, context = outer.context ?? {} } = run;
  const items = run.items ?? [];
  const natives = readItems(items, names).map((item, i) => withExecution(item, items, i, run));
  const seen = natives.slice(0, run.session_items?.visible);
  const responses = readResponses(run.responses ?? [], natives, names);
  return defined({
    ...emptyDocument(root),
    currentTurn: run.turn,
    currentTurnInProgress: run.status === 'interrupted',
    noActiveAgentRun: run.status !== 'interrupted',
    currentAgent: { name: run.agent },
    maxTurns: run.max_turns,
    originalInput: inputFromWire(run.original_input, names),
    pendingInput: run.pending_input && inputFromWire(run.pending_input, names),
    modelResponses: responses,
    lastModelResponse: responses.at(-1),
    generatedItems: seen,
    context: {
      usage: readUsage(usage),
      approvals: {},
      approvalInvocations: [],
      context,
      toolInput: run.tool_input,
    },
    toolUseTracker: toolsUsed(items),
    initialInputGuardrailsCompleted: run.turn > 0,
    ...readGuardrails(run.guardrails ?? {}),
    currentStep: stepOf(run, names),
    ...(await pendingParts(run, natives, names, { ...outer, usage, context })),
    ...ownership(run, seen),
    ...(await completedCalls(seen, root)),
    currentTurnPersistedItemCount: run.session_persisted
      ? Math.max(0, seen.length - (run.session_unsaved ?? 0))
      : 0,
    conversationId: run.conversation_id,
    previousResponseId: run.previous_response_id,
    reasoningItemIdPolicy: run.reasoning_item_id_policy,
    ...tracePart(run),
  });
}

/** All calls of the run by id: results on the wire do not say whose they are. */
function namesOf({ original_input, pending_input = [], items = [] }: Run): CallNames {
  const input = typeof original_input === 'string' ? [] : original_input;
  return callNames([...input, ...pending_input, ...items.map((item) => rawOf(items, item))]);
}

/** A tool that was not rejected did run; the SDK wants this said. */
function withExecution(native: NativeItem, items: Item[], index: number, run: Run): NativeItem {
  if (native.type !== 'tool_call_output_item') return native;
  const callId = rawAt(items, index).call_id;
  const call = items.map((item) => rawOf(items, item)).find((raw) => isCallOf(raw, callId));
  const isRejected =
    call && decisionOn(run.approvals ?? [], call, native.agent?.name)?.decision === 'rejected';
  return isRejected ? native : { ...native, executionStatus: 'executed' };
}

function isCallOf(raw: WireItem, callId: unknown): boolean {
  return raw.call_id === callId && raw.type !== 'function_call_output';
}

/** Which tools each agent has called; the SDK resets a forced tool choice by it. */
function toolsUsed(items: Item[]): Record<string, string[]> {
  const calls = items.filter(
    ({ type }) => type === 'tool_call_item' || type === 'handoff_call_item',
  );
  const byAgent = Map.groupBy(calls, ({ agent = '' }) => agent);
  const nameOf = (item: Item) => {
    const { name, type } = rawOf(items, item);
    return String(name ?? type);
  };
  return Object.fromEntries([...byAgent].map(([agent, own]) => [agent, own.map(nameOf)]));
}

function stepOf(run: Run, names: CallNames): object {
  switch (run.status) {
    case 'interrupted':
      return { type: 'next_step_interruption', data: { interruptions: waitingItems(run, names) } };
    case 'run_again':
      return { type: 'next_step_run_again' };
    default:
      return { type: 'next_step_final_output', output: finalText(run.items ?? []) };
  }
}

function waitingItems(run: Run, names: CallNames): NativeItem[] {
  return (run.interruptions ?? []).flatMap((_, i) => {
    const item = interruptionOf(run, i);
    return item ? [readItem(item, [], names)] : [];
  });
}

function finalText(items: Item[]): string {
  const last = items.findLast(
    ({ type }) => type === 'message_output_item' || type === 'tool_call_output_item',
  );
  if (!last) return '';
  const { content, output } = rawOf(items, last);
  if (typeof output === 'string') return output;
  return ((content ?? output ?? []) as WireItem[]).map(({ text = '' }) => String(text)).join('');
}

async function pendingParts(
  run: Run,
  natives: NativeItem[],
  names: CallNames,
  outer: Surroundings,
): Promise<Record<string, unknown>> {
  if (run.status !== 'interrupted') return {};
  const { new_items = [], functions = [], handoffs = [], mcp = [] } = run.pending ?? {};
  const items = run.items ?? [];
  const tools = outer.equipment.get(run)?.functions ?? [];
  const raw = (place: Place<WireItem>) => (typeof place === 'number' ? rawAt(items, place) : place);
  const typed = (place: Place<WireItem>) => typedItem(raw(place), names);
  const newItems = new_items.map((place) =>
    typeof place === 'number' ? natives[place] : readItem(place, items, names),
  );
  const requests = waitingItems(run, names).filter(
    ({ rawItem }) => rawItem.type === 'hosted_tool_call',
  );
  return {
    pendingAgentToolRuns: await nestedRuns(functions, raw, outer),
    lastProcessedResponse: {
      newItems: [
        ...newItems,
        ...requests.filter(({ rawItem }) => mcp.some((p) => raw(p).id === rawItem.id)),
      ],
      toolsUsed: [...functions, ...handoffs].map(({ call }) => String(raw(call).name)),
      handoffs: handoffs.map(({ call, target }) => ({
        toolCall: typed(call),
        handoff: { toolName: raw(call).name },
        targetAgent: { name: target },
      })),
      functions: functions.map(({ call, tool_key, mcp_binding }) => ({
        toolCall: typed(call),
        tool: {
          type: 'function',
          name: raw(call).name,
          parameters: tools.find(({ name }) => name === raw(call).name)?.parameters,
          ...(tool_key?.[0] === 'deferred_top_level' ? { deferLoading: true } : {}),
        },
        mcpToolBinding: mcp_binding
          ? {
              serverName: mcp_binding.server,
              toolName: mcp_binding.tool,
              serverIndex: mcp_binding.index ?? null,
            }
          : null,
      })),
      computerActions: [],
      mcpApprovalRequests: mcp.map((place) => ({
        requestItem: { rawItem: approvalItem(raw(place)) },
        mcpTool: {
          type: 'hosted_tool',
          name: 'hosted_mcp',
          providerData: { type: 'mcp', server_label: raw(place).server_label },
        },
      })),
    },
  };
}

async function nestedRuns(
  functions: FunctionCall[],
  raw: (place: Place<WireItem>) => WireItem,
  outer: Surroundings,
): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const { call, tool_key, nested } of functions) {
    const root = nested && outer.agents.get(startOf(nested));
    if (!root) continue;
    const wire = raw(call);
    const document = await nativeRun(nested, { ...outer, root });
    texts[`${stateKey(tool_key, wire)}:${String(wire.call_id)}`] = JSON.stringify(document);
  }
  return texts;
}

/** The agent that a nested run began with: a handoff may have led on from it. */
function startOf({ items = [], agent }: Run): string {
  return items.find(({ type }) => type === 'handoff_output_item')?.source_agent ?? agent;
}

/** The trace to go on with; the SDK takes it up only together with a span of the current agent. */
function tracePart({ trace, agent }: Run): Record<string, unknown> {
  if (!trace) return {};
  const { id, workflow_name = 'Agent workflow', group_id = null, metadata = {} } = trace;
  return {
    trace: { object: 'trace', id, workflow_name, group_id, metadata },
    currentAgentSpan: {
      object: 'trace.span',
      id: `span_${randomBytes(12).toString('hex')}`,
      trace_id: id,
      parent_id: null,
      started_at: new Date().toISOString(),
      ended_at: null,
      error: null,
      span_data: { type: 'agent', name: agent },
    },
  };
}
