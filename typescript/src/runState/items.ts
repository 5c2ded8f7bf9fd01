/**
 * Items between the two forms they have: the wire items of the OpenAI Responses API, which are
 * stored and which Python works with, and the protocol items of the TypeScript SDK.
 *
 * Reading loses nothing: a wire item becomes a protocol item that the SDK turns back into that same
 * wire item for the model. What the protocol cannot say so exactly (a developer message, a kind of
 * item it does not know) travels as `{ type: 'unknown', providerData: <the wire item> }`, which the
 * SDK sends as it is.
 */

import { isDeepStrictEqual } from 'node:util';
import type { AgentInputItem } from '@openai/agents';
import { defined, isEmpty, partsFromWire, partsToWire, snakeKeys } from './content.ts';
import { CODECS, type Codec, HOSTED, hostedFromWire, hostedToWire } from './itemKinds.ts';

/** An item as the Responses API writes it, also the form in which items are stored. */
export type WireItem = Record<string, unknown>;

/** The tool that each call id belongs to; outputs on the wire do not say it, protocol items must. */
export type CallNames = Map<string, { name: string; namespace?: string }>;

/** Ids that SDKs give to the items of models without item ids; the Responses API refuses them. */
const INVENTED_ID = /^(FAKE_ID|__fake_id__|chatcmpl-.*)$/;

/** Item kinds that refer to each other by call id: the SDK must recognise both, so never `unknown`. */
const PAIRED = new Set(['function_call', 'function_call_output']);

/**
 * Reads stored items into the form that the SDK works with.
 *
 * @param items - wire items, oldest first.
 * @param names - tools of calls that happened before these items (none).
 * @returns one protocol item for each wire item, in the same order.
 */
export function fromWireItems(
  items: readonly WireItem[],
  names: CallNames = new Map(),
): AgentInputItem[] {
  const known = new Map([...names, ...callNames(items)]);
  return items.map((item) => fromWireItem(item, known));
}

/**
 * Writes the SDK's items in the form that is stored.
 *
 * @param items - protocol items, oldest first.
 * @returns one wire item for each protocol item, in the same order.
 */
export function toWireItems(items: readonly AgentInputItem[]): WireItem[] {
  return items.map(toWireItem);
}

/** Reads one stored item; see {@link fromWireItems}. */
export function fromWireItem(stored: WireItem, names: CallNames = new Map()): AgentInputItem {
  const wire = portableItem(stored);
  if (PAIRED.has(wire.type as string)) return typedItem(wire, names);
  if (isSentUnchanged(wire)) {
    const item = typedItem(wire, names);
    if (isDeepStrictEqual(toWireItem(item), wire)) return item;
  }
  return unknownItem(wire);
}

/**
 * Reads one stored item into its own protocol type, never `unknown` when the protocol has a type for
 * it. Run items need this: the SDK refuses a message that is not a message.
 */
export function typedItem(wire: WireItem, names: CallNames = new Map()): AgentInputItem {
  if (isMessage(wire)) return messageFromWire(wire);
  const type = wire.type as string;
  if (HOSTED.has(type)) return hostedFromWire(wire) as unknown as AgentInputItem;
  const codec = CODECS[type];
  if (!codec) return unknownItem(wire);
  const item = decode(wire, codec);
  if (item.type === 'function_call_result') Object.assign(item, resultName(wire, names));
  // Chat-completions models read the thoughts from here, and give their reasoning no id.
  if (item.type === 'reasoning' && !wire.id && wire.content) item.rawContent = wire.content;
  return item as unknown as AgentInputItem;
}

/** Writes one item in the form that is stored; see {@link toWireItems}. */
export function toWireItem(given: AgentInputItem): WireItem {
  const item = given as unknown as WireItem;
  if (isMessage(item)) return withoutChatLeftovers(messageToWire(item));
  if (item.type === 'unknown') return defined({ ...(item.providerData as WireItem), id: item.id });
  if (item.type === 'hosted_tool_call') return hostedToWire(item);
  const [wireType, codec] = codecOf(item.type as string);
  return withoutInventedId(encode(item, wireType, codec));
}

/**
 * What a user gives as input, for the SDK: its own items stay as they are, wire items are read.
 *
 * @param items - protocol items and wire items, also mixed.
 */
export function inputItems(items: readonly (AgentInputItem | WireItem)[]): AgentInputItem[] {
  const given = items as readonly WireItem[];
  const names = callNames(given);
  return given.map((item) =>
    isWireItem(item) ? fromWireItem(item, names) : (item as unknown as AgentInputItem),
  );
}

/** An item as the SDK gives it to a session: calls and their outputs without ids of their own. */
export function sessionItem(given: AgentInputItem): AgentInputItem {
  if (given.type !== 'function_call' && given.type !== 'function_call_result') return given;
  const { id, providerData, ...item } = given;
  const { id: _, ...rest } = providerData ?? {};
  return (isEmpty(rest) ? item : { ...item, providerData: rest }) as AgentInputItem;
}

/** Field names that only the wire has. */
const WIRE_FIELDS = [
  'call_id',
  'summary',
  'image_url',
  'file_id',
  'file_url',
  'file_data',
  'input_audio',
];

function isWireItem(item: WireItem): boolean {
  const parts = Array.isArray(item.content) ? (item.content as WireItem[]) : [];
  if ([item, ...parts].some((part) => WIRE_FIELDS.some((name) => name in part))) return true;
  if (isMessage(item)) {
    const isComplete = item.role === 'user' || item.role === 'system' || 'status' in item;
    return !isComplete || parts.some((part) => 'annotations' in part);
  }
  return item.type !== 'unknown' && item.type !== 'hosted_tool_call' && !isProtocolType(item.type);
}

function isProtocolType(type: unknown): boolean {
  return Object.values(CODECS).some((codec) => codec.type === type);
}

/** The tool of every call among these wire items. */
export function callNames(items: readonly WireItem[]): CallNames {
  const names: CallNames = new Map();
  for (const { type, call_id, name, namespace } of items) {
    if (type !== 'function_call') continue;
    names.set(
      String(call_id),
      typeof namespace === 'string' ? { name: String(name), namespace } : { name: String(name) },
    );
  }
  return names;
}

/** The item without what a chat-completions model leaves on it; everything else unchanged. */
export function portableItem(item: WireItem): WireItem {
  const { provider_data, ...rest } = item;
  return withoutChatLeftovers(rest);
}

/** Whether an SDK made the id up, for an item of a chat-completions model. */
export function isInventedId(id: unknown): boolean {
  return typeof id === 'string' && INVENTED_ID.test(id);
}

/** The id of a response of the Responses API; that of a chat completion names none. */
export function portableResponseId(id: string | undefined): string | undefined {
  return isInventedId(id) ? undefined : id;
}

function decode(wire: WireItem, codec: Codec): WireItem {
  const item: WireItem = { type: codec.type };
  const rest: WireItem = {};
  for (const [key, value] of Object.entries(wire)) {
    const field = codec.fields.find(({ wireName, writeOnly }) => wireName === key && !writeOnly);
    if (field && value !== null) item[field.name] = field.read ? field.read(value) : value;
    else if (key !== 'type') rest[key] = value;
  }
  for (const [name, value] of Object.entries(codec.defaults)) item[name] ??= value;
  return Object.keys(rest).length > 0 ? { ...item, providerData: rest } : item;
}

function encode(item: WireItem, wireType: string, codec: Codec): WireItem {
  const { type, ...extra } = snakeKeys(item.providerData);
  // This type is what a chat-completions model calls its calls; nothing of its own is kept.
  const fromChat = type === 'function';
  const wire: WireItem = fromChat ? { type: wireType } : { ...extra, type: wireType };
  for (const { name, wireName, write } of codec.fields) {
    const value = item[name];
    if (value === undefined || value === codec.unsaid?.[name]) continue;
    if (fromChat && (name === 'id' || name === 'status')) continue;
    wire[wireName] = write ? write(value) : value;
  }
  return wire;
}

function isMessage(item: WireItem): boolean {
  return item.type === 'message' || (item.type === undefined && typeof item.role === 'string');
}

const MESSAGE_FIELDS = ['id', 'role', 'content', 'status', 'phase'];

function messageFromWire(wire: WireItem): AgentInputItem {
  const message: WireItem = { type: 'message' };
  const rest: WireItem = {};
  for (const [key, value] of Object.entries(wire)) {
    if (MESSAGE_FIELDS.includes(key) && value !== null) message[key] = value;
    else rest[key] = value;
  }
  message.content = partsFromWire(message.content);
  if (message.role === 'assistant') {
    message.status ??= 'completed';
    delete rest.type;
  }
  return (Object.keys(rest).length > 0
    ? { ...message, providerData: rest }
    : message) as unknown as AgentInputItem;
}

function messageToWire(item: WireItem): WireItem {
  const { type, providerData, ...known } = item;
  const kind = item.role === 'assistant' ? { type: 'message' } : {};
  const content = partsToWire(item.content);
  return defined({ ...snakeKeys(providerData), ...kind, ...known, content });
}

/** What chat-completions models leave on what they said, and would not take back. */
function withoutChatLeftovers(given: WireItem): WireItem {
  const item = withoutInventedId(given);
  if (item === given || !Array.isArray(item.content)) return item;
  return { ...item, content: item.content.map(withoutEmptyLists) };
}

function withoutEmptyLists(part: WireItem): WireItem {
  const isEmptyList = (name: string, value: unknown) =>
    ['annotations', 'logprobs'].includes(name) && Array.isArray(value) && value.length === 0;
  return Object.fromEntries(
    Object.entries(part).filter(([name, value]) => !isEmptyList(name, value)),
  );
}

/** Whether the SDK knows all that is in the item, and sends it as it is. */
function isSentUnchanged(wire: WireItem): boolean {
  if (!isMessage(wire)) return true;
  const { role, content } = wire;
  const isParts = Array.isArray(content) && content.every(isPartSentUnchanged);
  if (role === 'user') return typeof content === 'string' || isParts;
  if (role === 'assistant') return isParts;
  return role === 'system' && typeof content === 'string';
}

/** The SDK gives an image a detail, and sends file data only if it looks like data. */
function isPartSentUnchanged({ type, detail, file_data }: WireItem): boolean {
  if (type === 'input_image') return detail !== undefined;
  if (type === 'input_file' && file_data)
    return /^(data:|[A-Za-z0-9+/=]+$)/.test(String(file_data));
  return KNOWN_PARTS.has(type as string);
}

const KNOWN_PARTS = new Set(['input_text', 'input_file', 'input_audio', 'output_text', 'refusal']);

function unknownItem(wire: WireItem): AgentInputItem {
  const id = typeof wire.id === 'string' ? { id: wire.id } : {};
  return { type: 'unknown', ...id, providerData: wire };
}

function resultName(wire: WireItem, names: CallNames): { name: string; namespace?: string } {
  return names.get(String(wire.call_id)) ?? { name: String(wire.call_id) };
}

function withoutInventedId(item: WireItem): WireItem {
  if (!isInventedId(item.id)) return item;
  const { id, ...rest } = item;
  return rest;
}

function codecOf(protocolType: string): [string, Codec] {
  const found = Object.entries(CODECS).find(([, codec]) => codec.type === protocolType);
  if (!found)
    throw new TypeError(`no wire item is known for the SDK's item type "${protocolType}"`);
  return found;
}
