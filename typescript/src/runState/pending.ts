/** The response that waits for decisions: its calls, handoffs and requests, and who waits. */

import { isDeepStrictEqual } from 'node:util';
import { defined } from './content.ts';
import { toWireItem, type WireItem } from './items.ts';
import type { NativeFunction, NativeItem, NativePending, NativeState } from './native.ts';
import type { FunctionCall, Interruption, Item, Pending, Place, Run, ToolKey } from './record.ts';
import { rawAt, rawOf, writeItem } from './runItems.ts';
import { argumentLines } from './schemas.ts';

/** Writes a run that is nested in this one. */
type WriteNested = (native: NativeState) => Run;

export function writePending(native: NativeState, items: Item[], nested: WriteNested): Pending {
  const response = native.lastProcessedResponse;
  if (!response) return {};
  const start = native.currentResponseGeneratedItemOwnership?.toolOutputGuardrailResultStartIndex;
  const mcp = (response.mcpApprovalRequests ?? []).map(({ requestItem }) =>
    placeOf(items, 'mcp_approval_request_item', requestItem.rawItem),
  );
  const handoffs = response.handoffs.map(({ toolCall, targetAgent }) => ({
    call: placeOf(items, 'handoff_call_item', toolCall),
    target: targetAgent?.name ?? '',
  }));
  const functions = response.functions.map((call) =>
    writeFunction(call, items, nestedRun(native, call), nested),
  );
  return defined({
    new_items: unlessEmpty(writeNewItems(response, items)),
    functions: unlessEmpty(functions),
    handoffs: unlessEmpty(handoffs),
    mcp: unlessEmpty(mcp),
    tool_output_guardrail_start: start || undefined,
  }) as Pending;
}

/** The last place where the items of the response stand together; written out if there is none. */
function writeNewItems(response: NativePending, items: Item[]): Place<Item>[] {
  const written = response.newItems
    .filter(({ type }) => type !== 'tool_approval_item')
    .map(writeItem);
  const isAt = (start: number) => written.every((item, i) => isSameItem(item, items[start + i]));
  for (let start = items.length - written.length; start >= 0; start -= 1) {
    if (isAt(start)) return written.map((_, i) => start + i);
  }
  return written;
}

function writeFunction(
  { toolCall, tool, mcpToolBinding }: NativeFunction,
  items: Item[],
  nestedState: NativeState | undefined,
  nested: WriteNested,
): FunctionCall {
  const schema = argumentLines(tool.parameters);
  const binding = typeof mcpToolBinding === 'object' ? mcpToolBinding : null;
  return defined({
    call: placeOf(items, 'tool_call_item', toolCall),
    tool_key: toolKey(toolCall, tool)[0] === 'bare' ? undefined : toolKey(toolCall, tool),
    schema: unlessEmpty(schema),
    mcp_binding: binding
      ? defined({
          server: binding.serverName,
          tool: binding.toolName,
          index: binding.serverIndex ?? undefined,
        })
      : undefined,
    nested: nestedState && nested(nestedState),
  }) as unknown as FunctionCall;
}

/** How both SDKs tell tools of one name apart. */
function toolKey(call: WireItem, tool: NativeFunction['tool']): ToolKey {
  const { name, namespace } = call as { name: string; namespace?: string };
  if (namespace === name || (!namespace && tool.deferLoading)) return ['deferred_top_level', name];
  return namespace ? ['namespaced', namespace, name] : ['bare', name];
}

function nestedRun(
  native: NativeState,
  { toolCall, tool }: NativeFunction,
): NativeState | undefined {
  const key = `${JSON.stringify(toolKey(toolCall, tool))}:${String(toolCall.callId)}`;
  const text = native.pendingAgentToolRuns?.[key];
  return text === undefined ? undefined : (JSON.parse(text) as NativeState);
}

/** What waits for a decision, in the SDK's order. */
export function writeInterruptions(
  waiting: NativeItem[],
  items: Item[],
  pending: Pending,
): Interruption[] {
  const taken = new Set<number>();
  return waiting.map((native) => {
    const item = writeItem(native);
    const nested = nestedInterruption(item, items, pending);
    if (nested) return nested;
    const own = items.findLastIndex(
      (candidate, i) =>
        !taken.has(i) &&
        candidate.type === 'tool_approval_item' &&
        candidate.agent === item.agent &&
        isDeepStrictEqual(rawOf(items, candidate), item.raw),
    );
    if (own < 0) return item;
    taken.add(own);
    return own;
  });
}

function nestedInterruption(item: Item, items: Item[], pending: Pending): Interruption | undefined {
  for (const { call, nested } of pending.functions ?? []) {
    const place = nested?.interruptions?.findIndex((_, i) => {
      const inner = interruptionOf(nested, i);
      return inner?.agent === item.agent && isDeepStrictEqual(inner?.raw, item.raw);
    });
    if (place === undefined || place < 0) continue;
    const raw = typeof call === 'number' ? (items[call]?.raw as WireItem) : call;
    return { call_id: String(raw.call_id), nested: place };
  }
  return undefined;
}

/** The item behind an interruption, its raw form written out, found in whichever run it lies. */
export function interruptionOf(run: Run, index: number): (Item & { raw: WireItem }) | undefined {
  const items = run.items ?? [];
  const entry = run.interruptions?.[index];
  if (entry === undefined) return undefined;
  if (typeof entry !== 'number' && 'nested' in entry) {
    const inner = nestedRunOf(run, entry.call_id);
    return inner && interruptionOf(inner, entry.nested);
  }
  const item = typeof entry === 'number' ? items[entry] : entry;
  return item && { ...item, raw: rawOf(items, item) };
}

/** The run that a call of an agent as a tool started. */
export function nestedRunOf(run: Run, callId: string): Run | undefined {
  return run.pending?.functions?.find(({ call }) => {
    const raw = typeof call === 'number' ? rawAt(run.items ?? [], call) : call;
    return raw.call_id === callId;
  })?.nested;
}

function placeOf(items: Item[], type: string, native: WireItem): Place<WireItem> {
  const wire = toWireItem(native as never);
  const index = items.findLastIndex(
    (item) => item.type === type && isDeepStrictEqual(item.raw, wire),
  );
  return index >= 0 ? index : wire;
}

function isSameItem(left: Item, right: Item | undefined): boolean {
  return (
    left.type === right?.type &&
    left.agent === right.agent &&
    isDeepStrictEqual(left.raw, right.raw)
  );
}

function unlessEmpty<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}
