/**
 * The saved form of a run that both languages read: its shape and its text.
 *
 * What each field means is told in `spec/run-state.md`.
 */

import { NotPortableError } from '../errors.ts';
import { check } from './diagnosis.ts';
import type { WireItem } from './items.ts';

export const FORMAT = 'timestep.run_state/1';

/** `["bare", name]`, `["namespaced", namespace, name]` or `["deferred_top_level", name]`. */
export type ToolKey = string[];

/** An index into the items of the run, or the thing itself where no item holds it. */
export type Place<T> = number | T;

export interface Item {
  type: string;
  /** In an approval item, the index of the call that waits. */
  raw: Place<WireItem>;
  agent?: string;
  source_agent?: string;
  target_agent?: string;
  output?: unknown;
  tool_name?: string;
  tool_key?: ToolKey;
  input_id?: string;
  custom_data?: Record<string, unknown>;
}

/** Tokens. A single request's entry has no `requests`; only the run's usage has `entries`. */
export interface Usage {
  requests?: number;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  input_tokens_details?: Record<string, number>;
  output_tokens_details?: Record<string, number>;
  entries?: Usage[];
}

export interface Response {
  output: Place<WireItem>[];
  usage: Usage;
  response_id?: string;
  request_id?: string;
}

/** A function call of the response that waits. */
export interface FunctionCall {
  call: Place<WireItem>;
  tool_key?: ToolKey;
  schema?: string[];
  mcp_binding?: { server: string; tool: string; index?: number };
  nested?: Run;
}

export interface Pending {
  new_items?: Place<Item>[];
  functions?: FunctionCall[];
  handoffs?: { call: Place<WireItem>; target: string }[];
  mcp?: Place<WireItem>[];
  tool_output_guardrail_start?: number;
}

/** An interruption of a nested run: the call that started that run, and the place there. */
export interface NestedInterruption {
  call_id: string;
  nested: number;
}

export type Interruption = Place<NestedInterruption | Item>;

/** A decision on one call, or on all calls of a tool. */
export interface Approval {
  kind: 'function' | 'hosted_mcp' | 'other';
  agent?: string;
  tool_key?: ToolKey;
  tool?: string;
  server_label?: string;
  scope: 'call' | 'always';
  call_id?: string;
  decision: 'approved' | 'rejected';
  message?: string;
}

export type GuardrailKind = 'input' | 'output' | 'tool_input' | 'tool_output';

export interface GuardrailResult {
  name: string;
  tripped?: boolean;
  info?: unknown;
  agent?: string;
  agent_output?: unknown;
  behavior?: { type: string; message?: string };
}

/** A run; one that is nested in another has this form too. */
export interface Run {
  status: 'interrupted' | 'run_again' | 'terminal';
  agent: string;
  turn: number;
  max_turns: number | null;
  original_input: string | WireItem[];
  pending_input?: WireItem[];
  items?: Item[];
  session_items?: { visible: number; order: number[] };
  responses?: Response[];
  pending?: Pending;
  interruptions?: Interruption[];
  approvals?: Approval[];
  guardrails?: Partial<Record<GuardrailKind, GuardrailResult[]>>;
  usage?: Usage;
  context?: Record<string, unknown>;
  tool_input?: unknown;
  conversation_id?: string;
  previous_response_id?: string;
  reasoning_item_id_policy?: string;
  trace?: {
    id: string;
    workflow_name?: string;
    group_id?: string;
    metadata?: Record<string, unknown>;
  };
  session_persisted?: boolean;
  /** How many items at the end are not in the session yet. */
  session_unsaved?: number;
}

/** The whole document. */
export interface Envelope extends Run {
  format: string;
  writer: {
    language: string;
    sdk_version: string;
    schema_version: string;
    timestep_version: string;
  };
}

/** The run and all that are nested in it, outer ones first. */
export function runsIn(run: Run): Run[] {
  const nested = (run.pending?.functions ?? []).flatMap((call) =>
    call.nested ? [call.nested] : [],
  );
  return [run, ...nested.flatMap(runsIn)];
}

/**
 * The text of a document, or of a part of it, as the specification fixes it: keys sorted, ASCII only.
 * Equal values give equal text in Python and in TypeScript.
 */
export function encode(value: unknown): string {
  // Only the user's own values keep the order of their keys: prompts may be made of them.
  const own = new Set<unknown>(isRun(value) ? runsIn(value).flatMap(usersOwn) : []);
  const text = JSON.stringify(value, function (this: unknown, _key, member: unknown) {
    if (!own.has(this) && !own.has(member)) return sorted(member);
    if (typeof member === 'object') own.add(member);
    return member;
  });
  return text.replace(/[\u007f-\uffff]/g, escaped);
}

function isRun(value: unknown): value is Run {
  return typeof value === 'object' && value !== null && 'original_input' in value;
}

function usersOwn({ context, tool_input }: Run): unknown[] {
  return [context, tool_input].filter((value) => typeof value === 'object' && value !== null);
}

/**
 * The document of a text, checked against the specification.
 *
 * @throws NotPortableError when it is no JSON, has another format, or a fault, whose path is named.
 */
export function decode(text: string): Envelope {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message;
    throw new NotPortableError(`The saved run is not JSON: ${reason}.`, { cause: error });
  }
  return check(document);
}

/**
 * The value as plain JSON that both languages hold alike.
 *
 * @param path where the value lies, for the message (at the top).
 * @throws NotPortableError when a part of it is no JSON, or a number that not every language keeps.
 */
export function portable(value: unknown, path = ''): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return portableNumber(value, path);
  if (Array.isArray(value))
    return value.map((entry, i) => portable(entry ?? null, `${path}[${i}]`));
  if (isPlain(value)) {
    const members = Object.entries(value).filter(([, entry]) => entry !== undefined);
    return Object.fromEntries(
      members.map(([key, entry]) => [key, portable(entry, path ? `${path}.${key}` : key)]),
    );
  }
  const json = (value as { toJSON?: () => unknown }).toJSON;
  if (typeof json === 'function') return portable(json.call(value), path);
  throw new NotPortableError(
    `${path} is ${kindOf(value)}, which JSON cannot hold: ` +
      'keep texts, numbers, booleans, lists and plain objects there.',
  );
}

function portableNumber(value: number, path: string): number {
  if (!Number.isFinite(value)) {
    throw new NotPortableError(`${path} is ${value}, which JSON cannot hold.`);
  }
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new NotPortableError(
      `${path} is ${value}, but JavaScript keeps whole numbers only up to ` +
        `${Number.MAX_SAFE_INTEGER}: keep it as a text.`,
    );
  }
  return value;
}

/** The object with its keys in UTF-16 order; JavaScript itself lists array indexes before them. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, (value as WireItem)[key]]));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function isPlain(value: unknown): value is WireItem {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What a value is, in a word that its author recognises. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return `a ${value.constructor?.name || 'object'}`;
}
