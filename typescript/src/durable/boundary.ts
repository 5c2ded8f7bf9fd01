/**
 * The last turn boundary of a run, rebuilt from its journal.
 *
 * Running the agent loop again from the first turn would give the same state, more slowly with every
 * turn. So the state before the last recorded model response is put together from the record and
 * handed to a fresh loop. Where the record does not tell for certain what the loop made of it, nothing
 * is rebuilt, and the loop does run again, every call answered from the record.
 */

import { isDeepStrictEqual } from 'node:util';
import {
  type FunctionTool,
  getHandoff,
  Handoff,
  type RunConfig,
  type Session as SessionProtocol,
  Usage,
} from '@openai/agents';
import { dump } from '../documents.ts';
import { fromWireItems, portableItem, toWireItems, type WireItem } from '../runState/items.ts';
import { liveState } from '../runState/liveState.ts';
import type { AnyAgent, AnyRunState } from '../runState/native.ts';
import type { Item, Response, Run } from '../runState/record.ts';
import { agentOfTool } from './agentTools.ts';
import type { Beginning, StartOptions } from './beginning.ts';
import type { Execution } from './execution.ts';
import { type Body, type Journal, modelKey, type RecordedStep, toolKey } from './journal.ts';
import { Loop } from './loop.ts';
import { responseOf } from './recordedModel.ts';
import { appendItems, OwnSession, recordedSession } from './recordedSession.ts';
import { reachable } from './registry.ts';

const ITEM_TYPES: Record<string, string> = {
  message: 'message_output_item',
  reasoning: 'reasoning_item',
  function_call: 'tool_call_item',
  web_search_call: 'tool_call_item',
  file_search_call: 'tool_call_item',
  code_interpreter_call: 'tool_call_item',
  image_generation_call: 'tool_call_item',
};

/** The record does not tell what the loop made of it. */
class Uncertain extends Error {}

/** Where the turn in flight began; undefined: execute the segment from its start. */
export async function lastBoundary(
  execution: Execution,
  beginning: Beginning,
  session: SessionProtocol | undefined,
  config: Partial<RunConfig>,
): Promise<Beginning | undefined> {
  const turns = recordedTurns(execution.journal);
  if (turns.length < 2) return undefined;
  try {
    check(execution.agent, beginning.options, config);
    const rebuilt = new Rebuilt(execution, turns);
    const start = await startOf(execution, beginning, session);
    const added = session ? await addedTo(session, execution, start.own, rebuilt.items) : 0;
    const input = rebuilt.state(start.input, beginning.options, added - start.own.length);
    return { ...beginning, input, options: {}, added };
  } catch (error) {
    if (error instanceof Uncertain) return undefined;
    throw error;
  }
}

function recordedTurns({ rows }: Journal): RecordedStep[] {
  const turns: RecordedStep[] = [];
  for (;;) {
    const step = rows.get(modelKey('', turns.length));
    if (!step) return turns;
    turns.push(step);
  }
}

/** The items, responses and usage of finished turns. */
class Rebuilt {
  readonly items: Item[] = [];
  readonly #execution: Execution;
  readonly #journal: Journal;
  readonly #agents: Map<string, AnyAgent>;
  readonly #responses: Response[] = [];
  readonly #usage = new Usage();
  /** Whose turn is in flight. */
  readonly #agent: string;

  constructor(execution: Execution, turns: RecordedStep[]) {
    const agents = reachable(execution.agent);
    this.#execution = execution;
    this.#journal = execution.journal;
    this.#agents = new Map(agents.map((agent) => [agent.name, agent]));
    if (this.#agents.size < agents.length) throw new Uncertain();
    this.#agent = turns.at(-1)?.agent ?? '';
    turns.slice(0, -1).forEach((step, i) => {
      this.#addTurn(step, turns[i + 1]?.agent);
    });
  }

  /** The state in which the loop goes on; `persisted` of its items are in its session. */
  state(
    original: string | WireItem[],
    { context, maxTurns = null }: StartOptions,
    persisted: number,
  ): AnyRunState {
    const { agent, live } = this.#execution;
    const unsaved = this.items.length - persisted;
    const run: Run = {
      status: 'run_again',
      agent: this.#agent,
      turn: this.#responses.length,
      max_turns: maxTurns,
      original_input: original,
      items: this.items,
      responses: this.#responses,
      ...(persisted > 0 && { session_persisted: true, session_unsaved: unsaved }),
    };
    return liveState({
      run,
      agent,
      agents: this.#agents,
      usage: this.#usage,
      context: live?.context ?? context,
    });
  }

  #addTurn(step: RecordedStep, nextAgent: string | undefined): void {
    const response = step.body as unknown as Response;
    const output = response.output as WireItem[];
    this.#usage.add(responseOf(step).usage);
    this.#responses.push({ ...response, output: output.map((_, i) => this.items.length + i) });
    const handoffs = handoffsOf(this.#agentNamed(step.agent));
    for (const raw of output) {
      const isHandoff = raw.type === 'function_call' && handoffs.has(raw.name as string);
      const type = isHandoff ? 'handoff_call_item' : ITEM_TYPES[raw.type as string];
      if (!type) throw new Uncertain();
      this.items.push({ type, raw, agent: step.agent });
    }
    const calls = output.filter(({ type }) => type === 'function_call');
    if (calls.some(({ name }) => handoffs.has(name as string))) {
      this.#addHandoff(step, calls, handoffs, nextAgent);
    } else if (nextAgent !== step.agent || calls.length === 0) {
      throw new Uncertain();
    } else {
      for (const call of calls) this.#addOutput(step, call);
    }
  }

  #addHandoff(
    { agent }: RecordedStep,
    calls: WireItem[],
    handoffs: Map<string, string>,
    target: string | undefined,
  ): void {
    const [call] = calls;
    // beside other calls the loop decides which one counts and what becomes of the rest
    if (!call || calls.length !== 1 || handoffs.get(call.name as string) !== target) {
      throw new Uncertain();
    }
    this.items.push({
      type: 'handoff_output_item',
      raw: outputOf(call, dump({ assistant: target })),
      source_agent: agent,
      target_agent: target as string,
    });
  }

  #addOutput({ agent }: RecordedStep, call: WireItem): void {
    const row = this.#journal.rows.get(toolKey('', String(call.call_id)));
    if (!row || row.status === 'started' || row.name !== call.name) throw new Uncertain();
    const { output, value } = row.body as Body;
    const item: Item = { type: 'tool_call_output_item', raw: outputOf(call, output), agent };
    const isApart = row.language === 'typescript' && typeof output === 'string';
    if (isApart && value !== undefined) item.output = value;
    this.items.push(item);
    if (!this.#runsAgent(agent, call.name)) return;
    for (const inner of this.#journal.modelsInside(row.key.slice('t:'.length))) {
      this.#usage.add(responseOf(inner).usage);
    }
  }

  #runsAgent(agent: string, name: unknown): boolean {
    return this.#agentNamed(agent).tools.some((tool) => tool.name === name && agentOfTool(tool));
  }

  #agentNamed(name: string): AnyAgent {
    const agent = this.#agents.get(name);
    if (!agent) throw new Uncertain();
    return agent;
  }
}

function outputOf({ call_id }: WireItem, output: unknown): WireItem {
  return { call_id, output, type: 'function_call_output' };
}

/** Throws unless the loop does with its items nothing but keep them in order. */
function check(agent: AnyAgent, options: StartOptions, config: Partial<RunConfig>): void {
  if (options.conversationId || options.previousResponseId) throw new Uncertain();
  const rewriting = [
    config.handoffInputFilter,
    config.sessionInputCallback,
    config.callModelInputFilter,
    config.inputGuardrails?.length,
    config.reasoningItemIdPolicy,
  ];
  if (rewriting.some(Boolean)) throw new Uncertain();
  for (const each of reachable(agent)) {
    if (each.toolUseBehavior !== 'run_llm_again') throw new Uncertain();
    if (each.inputGuardrails.length > 0) throw new Uncertain();
    if (each.tools.some(changesResults)) throw new Uncertain();
    if (each.handoffs.some((handoff) => handoff instanceof Handoff && handoff.inputFilter)) {
      throw new Uncertain();
    }
  }
}

function changesResults(tool: AnyAgent['tools'][number]): boolean {
  if (tool.type !== 'function') return false;
  const { inputGuardrails, outputGuardrails, customDataExtractor } = tool as FunctionTool;
  return Boolean(inputGuardrails?.length || outputGuardrails?.length || customDataExtractor);
}

/** The names of an agent's handoffs and where they lead. */
function handoffsOf(agent: AnyAgent): Map<string, string> {
  return new Map(
    agent.handoffs.map((each) => {
      const { toolName, agentName } = getHandoff(each);
      return [toolName, agentName] as const;
    }),
  );
}

interface Start {
  /** What the first model call was given. */
  input: string | WireItem[];
  /** What of it is the run's own. */
  own: WireItem[];
}

async function startOf(
  execution: Execution,
  { input }: Beginning,
  session: SessionProtocol | undefined,
): Promise<Start> {
  const given = input as string | WireItem[];
  const own = typeof given === 'string' ? [{ role: 'user', content: given }] : given;
  if (!session) return { input: given, own };
  const recorded = await recordedSession(session, new Loop(execution, ''));
  if (!(recorded instanceof OwnSession)) throw new Uncertain();
  return { input: [...toWireItems(await recorded.getItems()), ...own], own };
}

/**
 * How many items the run has added to its session, its input among them: that is added now where it
 * is missing, since a loop that begins with a state does not add it.
 *
 * This SDK adds what a run says at the end of the run only, Python's after every turn. Throws unless
 * what is there is what the finished turns add.
 */
async function addedTo(
  session: SessionProtocol,
  execution: Execution,
  own: WireItem[],
  items: Item[],
): Promise<number> {
  const sessionId = await session.getSessionId();
  const expected = [...own, ...items.map(({ raw }) => raw as WireItem)].map(portableItem);
  const rows = await execution.journal.database.query<{ document: string }>(
    `select document from timestep.session_items where session_id = $1 and append_key = $2
      order by append_position limit $3`,
    [sessionId, `run:${execution.journal.runId}`, expected.length],
    { repeatable: true },
  );
  const found = rows.map(({ document }) => JSON.parse(document) as WireItem);
  if (!found.every((item, i) => isSame(item, expected[i]))) throw new Uncertain();
  if (found.length >= own.length) return found.length;
  const missing = toWireItems(fromWireItems(expected.slice(found.length, own.length)));
  await appendItems(new Loop(execution, '', found.length), sessionId, missing);
  return own.length;
}

function isSame(found: WireItem, expected: WireItem | undefined): boolean {
  return expected !== undefined && isDeepStrictEqual(bare(found), bare(expected));
}

/** An item without what the SDKs add or drop on the way to a session. */
function bare(item: WireItem): WireItem {
  if (item.type === 'function_call_output' && typeof item.output === 'string') {
    return { call_id: item.call_id };
  }
  const kept = Object.entries(item).filter(
    ([name, value]) => value !== null && !['status', 'type', 'id'].includes(name),
  );
  return Object.fromEntries(kept);
}
