/**
 * A run between two turns as a state of the SDK, without the detour over its own document.
 *
 * The SDK's loader compares every call with every item: for a run of a thousand items it takes
 * seconds. What is put together from a journal needs none of these comparisons.
 */

import {
  type AgentInputItem,
  RunContext,
  RunHandoffCallItem,
  RunHandoffOutputItem,
  RunMessageOutputItem,
  RunReasoningItem,
  RunState,
  RunToolCallItem,
  RunToolCallOutputItem,
  Usage,
} from '@openai/agents';
import { callNames } from './items.ts';
import type { AnyAgent, AnyRunState, NativeItem } from './native.ts';
import type { Run } from './record.ts';
import { readResponses } from './responses.ts';
import { rawOf, readItems } from './runItems.ts';
import { inputFromWire } from './wire.ts';

type RunItem = AnyRunState['_generatedItems'][number];

/** The run, and what of it this process has. */
export interface Found {
  /** The run, of status `run_again`, all items written out. */
  run: Run;
  /** What it has used. */
  usage: Usage;
  /** The agent that it began with. */
  agent: AnyAgent;
  /** All of its agents by name. */
  agents: ReadonlyMap<string, AnyAgent>;
  context: unknown;
}

/** The state before the next turn. */
export function liveState({ run, usage, agent, agents, context }: Found): AnyRunState {
  const { items = [], original_input } = run;
  const input = typeof original_input === 'string' ? [] : original_input;
  const names = callNames([...input, ...items.map((item) => rawOf(items, item))]);
  const natives = readItems(items, names);
  const state: AnyRunState = new RunState(
    new RunContext(context),
    inputFromWire(original_input, names) as string | AgentInputItem[],
    agent,
    run.max_turns,
  );
  const responses = readResponses(run.responses ?? [], natives, names).map((response) => ({
    ...response,
    usage: new Usage(response.usage as never),
  })) as unknown as AnyRunState['_modelResponses'];
  const agentOf = (name = ''): AnyAgent => agents.get(name) ?? agent;
  state._context.usage = usage;
  state._currentAgent = agentOf(run.agent);
  state._currentTurn = run.turn;
  state._initialInputGuardrailsCompleted = true;
  state._modelResponses = responses;
  state._lastTurnResponse = responses.at(-1);
  state._generatedItems = natives.map((item) => runItem(item, agentOf));
  state._currentStep = { type: 'next_step_run_again' };
  state._currentTurnPersistedItemCount = run.session_persisted
    ? items.length - (run.session_unsaved ?? 0)
    : 0;
  noteTools(state, natives, agentOf);
  return state;
}

function runItem(native: NativeItem, agentOf: (name?: string) => AnyAgent): RunItem {
  const { type, sourceAgent, targetAgent, output } = native;
  const agent = agentOf(native.agent?.name);
  const raw = native.rawItem as never;
  switch (type) {
    case 'message_output_item':
      return new RunMessageOutputItem(raw, agent);
    case 'reasoning_item':
      return new RunReasoningItem(raw, agent);
    case 'tool_call_item':
      return new RunToolCallItem(raw, agent);
    case 'tool_call_output_item':
      return new RunToolCallOutputItem(raw, agent, output as never, undefined, 'executed');
    case 'handoff_call_item':
      return new RunHandoffCallItem(raw, agent);
    case 'handoff_output_item':
      return new RunHandoffOutputItem(raw, agentOf(sourceAgent?.name), agentOf(targetAgent?.name));
    default:
      throw new TypeError(`an item of type "${type}" cannot be put together`);
  }
}

/** Which tools each agent has called; the SDK resets a forced tool choice by it. */
function noteTools(
  { _toolUseTracker: tracker }: AnyRunState,
  natives: NativeItem[],
  agentOf: (name?: string) => AnyAgent,
): void {
  const calls = natives.filter(({ type }) =>
    ['tool_call_item', 'handoff_call_item'].includes(type),
  );
  const byAgent = Map.groupBy(calls, ({ agent }) => agentOf(agent?.name));
  for (const [agent, own] of byAgent) {
    tracker.addToolUse(
      agent,
      own.map(({ rawItem }) => String(rawItem.name ?? rawItem.type)),
    );
  }
}
