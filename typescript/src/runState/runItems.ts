/** The items of a run, between the SDK's form and the saved one. */

import { isDeepStrictEqual } from 'node:util';
import { defined, isEmpty } from './content.ts';
import { type CallNames, toWireItem, typedItem, type WireItem } from './items.ts';
import type { NativeItem } from './native.ts';
import type { Item, ToolKey } from './record.ts';
import { nativeHandoffOutput, sharedHandoffOutput } from './wire.ts';

/** All items of a run; an approval points at the call that it is about. */
export function writeItems(native: NativeItem[]): Item[] {
  const items: Item[] = [];
  for (const nativeItem of native) {
    const item = writeItem(nativeItem);
    if (item.type === 'tool_approval_item') {
      const call = items.findLastIndex(
        ({ type, raw }) => type !== 'tool_approval_item' && isDeepStrictEqual(raw, item.raw),
      );
      if (call >= 0) item.raw = call;
    }
    items.push(item);
  }
  return items;
}

/** One item, its raw form written out. */
export function writeItem(native: NativeItem): Item {
  const raw = toWireItem(native.rawItem as never);
  const common = { type: itemType(native, raw), raw };
  switch (native.type) {
    case 'handoff_output_item':
      return {
        ...common,
        raw: sharedHandoffOutput(raw),
        source_agent: native.sourceAgent?.name ?? '',
        target_agent: native.targetAgent?.name ?? '',
      };
    case 'tool_call_output_item':
      return defined({
        ...common,
        agent: native.agent?.name,
        output: outputApart(native.output, raw.output),
        custom_data:
          native.customData && !isEmpty(native.customData) ? native.customData : undefined,
      }) as unknown as Item;
    case 'tool_approval_item':
      return defined({
        ...common,
        agent: native.agent?.name,
        tool_name: native.toolName === raw.name ? undefined : native.toolName,
        tool_key: keyApart(native.functionToolStateKey, raw),
      }) as unknown as Item;
    default:
      return defined({
        ...common,
        agent: native.agent?.name,
        input_id: native.inputId,
      }) as unknown as Item;
  }
}

/** Python has types of its own for the items of hosted MCP servers. */
const MCP_ITEMS = ['mcp_list_tools', 'mcp_approval_request', 'mcp_approval_response'];

function itemType({ type }: NativeItem, raw: WireItem): string {
  const isMcp = type === 'tool_call_item' && MCP_ITEMS.includes(raw.type as string);
  return isMcp ? `${String(raw.type)}_item` : type;
}

/** A tool's value, where its text form is not the value already. */
function outputApart(value: unknown, raw: unknown): unknown {
  return typeof raw === 'string' && value !== raw ? value : undefined;
}

function keyApart(stateKey: string | undefined, raw: WireItem): ToolKey | undefined {
  if (stateKey === undefined) return undefined;
  const key = JSON.parse(stateKey) as ToolKey;
  return isDeepStrictEqual(key, ['bare', raw.name]) ? undefined : key;
}

/** All items of a run for the SDK, in the same order. */
export function readItems(items: Item[], names: CallNames): NativeItem[] {
  return items.map((item) => readItem(item, items, names));
}

/** One item for the SDK; `items` are those of its run. */
export function readItem(item: Item, items: Item[], names: CallNames): NativeItem {
  const raw = rawOf(items, item);
  const agent = item.agent === undefined ? undefined : { name: item.agent };
  const common = { type: nativeType(item.type), rawItem: typedItem(raw, names), agent };
  switch (item.type) {
    case 'handoff_output_item':
      return present({
        ...common,
        rawItem: typedItem(nativeHandoffOutput(raw), names),
        sourceAgent: { name: item.source_agent },
        targetAgent: { name: item.target_agent },
      });
    case 'tool_call_output_item':
      return present({
        ...common,
        output: item.output ?? raw.output,
        customData: item.custom_data,
      });
    case 'tool_approval_item':
      return present({
        ...common,
        rawItem: approvalItem(raw, names),
        toolName: item.tool_name ?? raw.name,
        functionToolStateKey: stateKey(item.tool_key, raw),
      });
    default:
      return present({ ...common, inputId: item.input_id });
  }
}

/** The call that an approval is about, as the SDK keeps it there. */
export function approvalItem(raw: WireItem, names: CallNames = new Map()): WireItem {
  const call = typedItem(raw, names) as unknown as WireItem;
  if (raw.type !== 'mcp_approval_request') return call;
  return { ...call, name: raw.name, status: 'in_progress' };
}

/** The SDK's text for a tool's key; undefined for anything but functions. */
export function stateKey(key: ToolKey | undefined, raw: WireItem): string | undefined {
  return raw.type === 'function_call' ? JSON.stringify(key ?? ['bare', raw.name]) : undefined;
}

function nativeType(type: string): string {
  return MCP_ITEMS.some((name) => type === `${name}_item`) ? 'tool_call_item' : type;
}

function present(item: object): NativeItem {
  return defined(item as WireItem) as unknown as NativeItem;
}

/** An item's wire form, an approval's that of its call. */
export function rawOf(items: Item[], { raw }: Item): WireItem {
  return typeof raw === 'number' ? rawAt(items, raw) : raw;
}

export function rawAt(items: Item[], index: number): WireItem {
  const item = items[index];
  return item ? rawOf(items, item) : {};
}
