/** From the SDK's own document of a run to the one that both languages read. */

import { isDeepStrictEqual } from 'node:util';
import { NotPortableError } from '../errors.ts';
import { refuseSharedNames, warnOfNames } from './agents.ts';
import { defined, isEmpty } from './content.ts';
import { approvalsOf, giveToRuns } from './decisions.ts';
import { writeGuardrails } from './guardrails.ts';
import type { WireItem } from './items.ts';
import {
  type AnyAgent,
  type AnyRunState,
  type ContextSerializer,
  isTranslatable,
  type NativeItem,
  type NativeState,
  nativeDocument,
  schemaVersion,
  sdkVersion,
  timestepVersion,
} from './native.ts';
import { writeInterruptions, writePending } from './pending.ts';
import { assertPortable } from './portability.ts';
import { type Envelope, FORMAT, portable, type Run } from './record.ts';
import { writeResponses, writeUsage } from './responses.ts';
import { writeItems } from './runItems.ts';
import { inputToWire } from './wire.ts';

export interface ToEnvelopeOptions {
  /** The envelope that the run was loaded from; what this version does not know of it is kept. */
  previous?: Envelope | undefined;
  /** Turns a context that is no plain object into one. */
  contextSerializer?: ContextSerializer | undefined;
  /** The SDK's document of the state, when it is at hand. */
  native?: NativeState | undefined;
  /** The agent that the run started with, whose handoffs' names are looked at too. */
  agent?: AnyAgent | undefined;
}

const origins = new WeakMap<AnyRunState, Envelope>();

/** Remember which envelope a state was made from, so that saving it again keeps its unknown fields. */
export function rememberOrigin(state: AnyRunState, envelope: Envelope): void {
  origins.set(state, envelope);
}

/**
 * The run as the document that either language continues. Names that the other language would make
 * differently are warned of, once each.
 *
 * @throws NotPortableError when the run holds something that the other language cannot continue.
 */
export function toEnvelope(state: AnyRunState, options: ToEnvelopeOptions = {}): Envelope {
  const native = options.native ?? nativeDocument(state, options.contextSerializer);
  const previous = options.previous ?? origins.get(state);
  const agent = options.agent ?? state._currentAgent;
  refuseSharedNames(agent);
  const run = writeRun(native);
  if (!isEmpty(native.context.context) || previous?.context) run.context = native.context.context;
  giveToRuns(run, approvalsOf(native.context));
  warnOfNames(run, agent);
  const writer = {
    language: 'typescript',
    sdk_version: sdkVersion,
    schema_version: schemaVersion(),
    timestep_version: timestepVersion,
  };
  const envelope = portable({ format: FORMAT, writer, ...run }) as Envelope;
  return previous ? withUnknownFields(envelope, previous) : envelope;
}

/** One run, and in its pending calls the runs nested in it; decisions are given to them afterwards. */
function writeRun(native: NativeState): Run {
  if (!isTranslatable(native.$schemaVersion)) {
    throw new NotPortableError(
      `The SDK writes run states of version ${native.$schemaVersion}, which this version of ` +
        'Timestep cannot translate: install a newer Timestep.',
    );
  }
  assertPortable(native);
  const status = statusOf(native);
  const arrangedItems = arranged(native);
  const items = writeItems(arrangedItems);
  const run: Run = {
    status,
    agent: native.currentAgent.name,
    turn: turnOf(native),
    max_turns: native.maxTurns,
    original_input: inputToWire(native.originalInput),
  };
  const pendingInput = inputToWire(native.pendingInput ?? []);
  if (pendingInput.length > 0) run.pending_input = pendingInput as WireItem[];
  if (items.length > 0) run.items = items;
  const responses = writeResponses(native.modelResponses, items);
  if (responses.length > 0) run.responses = responses;
  if (status === 'interrupted') {
    const pending = writePending(native, items, (nested) => writeNested(nested, native));
    if (!isEmpty(pending as WireItem)) run.pending = pending;
    const waiting = native.currentStep?.data?.interruptions ?? [];
    if (waiting.length > 0) run.interruptions = writeInterruptions(waiting, items, pending);
  }
  const guardrails = writeGuardrails(native);
  if (!isEmpty(guardrails)) run.guardrails = guardrails;
  run.usage = writeUsage(native.context.usage, { entries: true });
  return Object.assign(run, writeSettings(native, arrangedItems));
}

/**
 * The items, and after them each hosted MCP request that waits, once: both SDKs put the approval
 * items of requests in other places, and again with each pause.
 */
function arranged({ generatedItems, currentStep }: NativeState): NativeItem[] {
  const waiting = currentStep?.data?.interruptions ?? [];
  const hosted = generatedItems.filter(isHostedApproval);
  const own = (shown: NativeItem) =>
    hosted.find(({ rawItem }) => isDeepStrictEqual(rawItem, shown.rawItem)) ?? [];
  return [...generatedItems.filter((item) => !isHostedApproval(item)), ...waiting.flatMap(own)];
}

function isHostedApproval({ type, rawItem }: NativeItem): boolean {
  return type === 'tool_approval_item' && rawItem.type === 'hosted_tool_call';
}

function writeNested(nested: NativeState, outer: NativeState): Run {
  const run = writeRun(nested);
  delete run.usage; // counted in the outermost run's
  if (!isDeepStrictEqual(nested.context.context, outer.context.context)) {
    run.context = nested.context.context;
  }
  return run;
}

/** How many turns were begun; between two turns, how many were finished. */
export function turnOf(native: NativeState): number {
  const begun = statusOf(native) === 'run_again' && native.currentTurnInProgress;
  return native.currentTurn - (begun ? 1 : 0);
}

/** Whether the run waits for decisions, stands between two turns, or has ended. */
export function statusOf({ currentStep, modelResponses }: NativeState): Run['status'] {
  switch (currentStep?.type) {
    case 'next_step_interruption':
      return 'interrupted';
    case 'next_step_run_again':
      return 'run_again';
    case 'next_step_final_output':
      return 'terminal';
    case undefined:
      return modelResponses.length > 0 ? 'terminal' : 'run_again';
    default:
      throw new NotPortableError('The run is in the middle of a handoff: save it after the turn.');
  }
}

function writeSettings(native: NativeState, items: NativeItem[]): Partial<Run> {
  const saved = native.currentTurnPersistedItemCount ?? 0;
  const unsaved = unsavedAfter(saved, native.generatedItems, items);
  const isBetweenTurns = statusOf(native) === 'run_again' && native.generatedItems.length > 0;
  return defined({
    tool_input: native.context.toolInput,
    conversation_id: native.conversationId,
    previous_response_id: native.previousResponseId,
    reasoning_item_id_policy: native.reasoningItemIdPolicy,
    trace: writeTrace(native.trace),
    session_persisted: saved > 0 || isBetweenTurns || undefined,
    session_unsaved: saved > 0 && unsaved > 0 ? unsaved : undefined,
  });
}

/** The session keeps no approvals: those right after the saved items wait for nothing. */
function unsavedAfter(saved: number, generated: NativeItem[], items: NativeItem[]): number {
  const first = generated.find(({ type }, i) => i >= saved && type !== 'tool_approval_item');
  return first ? items.length - items.indexOf(first) : 0;
}

function writeTrace(trace: NativeState['trace']): Run['trace'] {
  if (!trace?.id || trace.id === 'no-op') return undefined;
  const { id, workflow_name, group_id, metadata } = trace;
  return defined({
    id,
    workflow_name: workflow_name || undefined,
    group_id: group_id ?? undefined,
    metadata: isEmpty(metadata) ? undefined : metadata,
  }) as Run['trace'];
}

/** Fields of the outermost object that are this language's to write; it may leave them out. */
const OWN = new Set([
  ...[
    'pending_input',
    'items',
    'session_items',
    'responses',
    'pending',
    'interruptions',
    'approvals',
  ],
  ...['guardrails', 'context', 'tool_input', 'conversation_id', 'previous_response_id', 'trace'],
  ...['reasoning_item_id_policy', 'session_persisted', 'session_unsaved', 'writer', 'format'],
]);
const OWN_OF_ITEM = new Set([
  ...['type', 'raw', 'agent', 'source_agent', 'target_agent', 'output', 'tool_name', 'tool_key'],
  ...['input_id', 'custom_data'],
]);

function withUnknownFields(envelope: Envelope, previous: Envelope): Envelope {
  const items = envelope.items?.map((item, i) => {
    const before = previous.items?.[i];
    const isSame = before?.type === item.type && isDeepStrictEqual(before.raw, item.raw);
    return isSame ? { ...unknownIn(before, OWN_OF_ITEM), ...item } : item;
  });
  return { ...unknownIn(previous, OWN), ...envelope, ...(items ? { items } : {}) };
}

function unknownIn(value: object, own: Set<string>): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !own.has(key)));
}
