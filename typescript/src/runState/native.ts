/**
 * The SDK's own saved form of a run: what of it is read and written here, and which versions of it
 * the installed SDK takes.
 */

import { readFileSync } from 'node:fs';
import { Agent, RunContext, RunState } from '@openai/agents';
import type { WireItem } from './items.ts';
import { kindOf } from './record.ts';

// biome-ignore lint/suspicious/noExplicitAny: a run of any agent, which the SDK's types cannot say
export type AnyAgent = Agent<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyRunState = RunState<any, any>;

/** The version that is written from an envelope, and the newest that can be turned into one. */
export const TRANSLATED_VERSION = '1.22';

export interface AgentReference {
  name: string;
  identity?: string;
}

export interface NativeItem {
  type: string;
  rawItem: WireItem;
  agent?: AgentReference;
  sourceAgent?: AgentReference;
  targetAgent?: AgentReference;
  output?: unknown;
  customData?: Record<string, unknown>;
  executionStatus?: string;
  toolName?: string;
  functionToolStateKey?: string;
  inputId?: string;
}

export interface NativeUsage {
  requests?: number;
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  inputTokensDetails?: Record<string, number> | Record<string, number>[];
  outputTokensDetails?: Record<string, number> | Record<string, number>[];
  requestUsageEntries?: NativeUsage[];
}

export interface NativeResponse {
  usage: NativeUsage;
  output: WireItem[];
  responseId?: string;
  requestId?: string;
}

export interface ApprovalRecord {
  approved: string[] | boolean;
  rejected: string[] | boolean;
  messages?: Record<string, string>;
  stickyRejectMessage?: string;
}

export interface NativeContext {
  usage: NativeUsage;
  approvals: Record<string, ApprovalRecord>;
  hostedMcpApprovals?: Record<string, ApprovalRecord>;
  functionApprovals?: { agentIdentity: string; approvals: Record<string, ApprovalRecord> }[];
  legacyFunctionApprovals?: Record<string, ApprovalRecord>;
  approvalInvocations?: unknown[];
  context: Record<string, unknown>;
  toolInput?: unknown;
}

export interface NativeFunction {
  toolCall: WireItem;
  tool: { name: string; deferLoading?: boolean; parameters?: unknown };
  mcpToolBinding?:
    | { serverName: string; toolName: string; serverIndex: number | null }
    | 'unknown'
    | null;
}

export interface NativePending {
  newItems: NativeItem[];
  functions: NativeFunction[];
  handoffs: { toolCall: WireItem; handoff: { toolName: string }; targetAgent?: AgentReference }[];
  functionToolsNotFound?: unknown[];
  computerActions?: unknown[];
  shellActions?: unknown[];
  applyPatchActions?: unknown[];
  mcpApprovalRequests?: { requestItem: { rawItem: WireItem }; mcpTool: unknown }[];
}

/** The parts of the SDK's document that a translation reads. */
export interface NativeState {
  $schemaVersion: string;
  currentTurn: number;
  currentTurnInProgress?: boolean;
  currentAgent: AgentReference;
  maxTurns: number | null;
  originalInput: string | WireItem[];
  pendingInput?: WireItem[];
  modelResponses: NativeResponse[];
  lastModelResponse?: NativeResponse;
  generatedItems: NativeItem[];
  context: NativeContext;
  currentStep?: {
    type: string;
    output?: string;
    responseAccepted?: boolean;
    data?: { interruptions?: NativeItem[]; responseAccepted?: boolean };
  };
  lastProcessedResponse?: NativePending;
  pendingAgentToolRuns?: Record<string, string>;
  pendingAgentToolRunAliases?: Record<string, string>;
  currentResponseGeneratedItemOwnership?: { toolOutputGuardrailResultStartIndex: number };
  currentTurnPersistedItemCount?: number;
  inputGuardrailResults?: NativeGuardrailResult[];
  outputGuardrailResults?: NativeGuardrailResult[];
  toolInputGuardrailResults?: NativeGuardrailResult[];
  toolOutputGuardrailResults?: NativeGuardrailResult[];
  conversationId?: string;
  previousResponseId?: string;
  reasoningItemIdPolicy?: string;
  trace?: { id: string; workflow_name: string; group_id: string | null; metadata: WireItem } | null;
  completedToolInvocations?: unknown;
  completedToolInvocationEvidence?: unknown;
  ambiguousToolInvocationCallIds?: unknown;
  pendingSessionWrite?: unknown;
  pendingSessionHistoryTransaction?: unknown;
  sandbox?: unknown;
  /** Timestep's own, which the SDK overlooks: what the context was, where it could not be saved. */
  timestepContextLeftOut?: string;
}

export interface NativeGuardrailResult {
  guardrail: { type: string; name: string };
  output: {
    tripwireTriggered?: boolean;
    outputInfo?: unknown;
    behavior?: { type: string; message?: string };
  };
  agent?: AgentReference;
  agentOutput?: unknown;
}

/** Turns a context into a plain object that can be saved. */
export type ContextSerializer = (context: unknown) => Record<string, unknown>;

/**
 * The SDK's document of a run. The SDK refuses a context that is no plain object; it is left out then,
 * as the Python SDK does it, and the document says so.
 *
 * @param contextSerializer turns a context that is no plain object into one (there is none).
 */
export function nativeDocument(
  state: AnyRunState,
  contextSerializer?: ContextSerializer,
): NativeState {
  const held: unknown = state._context.context;
  if (!contextSerializer && isPlainObject(held)) return documentOf(state);
  state._context.context = contextSerializer?.(held) ?? {};
  try {
    const document = documentOf(state);
    if (contextSerializer) return document;
    return { ...document, timestepContextLeftOut: kindOf(held) };
  } finally {
    state._context.context = held;
  }
}

/**
 * The SDK's document of a state whose context is a plain object.
 *
 * The SDK finds out which items belong together by throwing wherever two do not. Without the stack
 * traces, at which nobody looks, this takes a quarter of the time. What is thrown in the end is
 * thrown with its trace.
 */
export function documentOf(state: AnyRunState): NativeState {
  const { stackTraceLimit } = Error;
  const traceUpTo = (frames: number) => Reflect.set(Error, 'stackTraceLimit', frames);
  const write = () => withoutEndedRuns(state.toJSON() as unknown as NativeState);
  try {
    traceUpTo(0);
    return write();
  } catch {
    traceUpTo(stackTraceLimit);
    return write();
  } finally {
    traceUpTo(stackTraceLimit);
  }
}

/**
 * The document without nested runs that have ended.
 *
 * Where an agent as a tool failed, or its result was recorded, the SDK leaves its paused run in the
 * state, and does not read such a state any more.
 */
export function withoutEndedRuns(document: NativeState): NativeState {
  const { pendingAgentToolRuns: runs, pendingAgentToolRunAliases: aliases } = document;
  if (!runs || Object.keys(runs).length === 0) return document;
  const calls = (document.lastProcessedResponse?.functions ?? []).map(({ toolCall }) => toolCall);
  const waits = ([key]: [string, string]) => calls.some(({ callId }) => key.endsWith(`:${callId}`));
  const waiting = Object.entries(runs).filter(waits);
  return {
    ...document,
    pendingAgentToolRuns: Object.fromEntries(
      waiting.map(([key, text]) => [key, JSON.stringify(withoutEndedRuns(JSON.parse(text)))]),
    ),
    ...(aliases && {
      pendingAgentToolRunAliases: Object.fromEntries(Object.entries(aliases).filter(waits)),
    }),
  };
}

/** The version of the document that the installed SDK writes; it reads this one and all older ones. */
export function schemaVersion(): string {
  installed ??= new RunState(new RunContext(), [], new Agent({ name: 'any' }), 1).toJSON()
    .$schemaVersion;
  return installed;
}
let installed: string | undefined;

/** The version of the installed SDK. */
export const sdkVersion = versionIn(
  new URL('../package.json', import.meta.resolve('@openai/agents')),
);

/** The version of this package. */
export const timestepVersion = versionIn(new URL('../../package.json', import.meta.url));

/** Whether the installed SDK reads its own document of this version. */
export function isReadable(version: string): boolean {
  return isAtMost(version, schemaVersion());
}

/** Whether a document of this version can be turned into an envelope. */
export function isTranslatable(version: string): boolean {
  return isAtMost(version, TRANSLATED_VERSION);
}

function versionIn(manifest: URL): string {
  return String(JSON.parse(readFileSync(manifest, 'utf8')).version);
}

function isAtMost(version: string, newest: string): boolean {
  const [major, minor] = numbers(version);
  const [newestMajor, newestMinor] = numbers(newest);
  return major === newestMajor && minor <= newestMinor;
}

function numbers(version: string): [number, number] {
  const match = /^(\d+)\.(\d+)$/.exec(version);
  return match ? [Number(match[1]), Number(match[2])] : [Number.NaN, Number.NaN];
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
