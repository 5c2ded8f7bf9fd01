/** The few forms of wire items that a saved run fixes, so that both languages write the same. */

import { isDeepStrictEqual } from 'node:util';
import { isRecord } from './content.ts';
import { type CallNames, fromWireItems, toWireItem, type WireItem } from './items.ts';
import { encode } from './record.ts';

/** Input for the model, as it is stored. */
export function inputToWire<T extends string | WireItem[]>(input: T): T {
  if (typeof input === 'string') return input;
  return input.map((item) => fullMessage(toWireItem(item as never))) as T;
}

/** Stored input, as the SDK takes it. */
export function inputFromWire<T extends string | WireItem[]>(input: T, names: CallNames): T {
  if (typeof input === 'string') return input;
  return fromWireItems(input, names) as unknown as T;
}

/** An assistant's words that a person wrote as plain text, as the model would have written them. */
function fullMessage(item: WireItem): WireItem {
  const { role, content } = item;
  if (role !== 'assistant' || typeof content !== 'string') return item;
  return { status: 'completed', ...item, content: [{ type: 'output_text', text: content }] };
}

/** A handoff's output in the form that both languages share. */
export function sharedHandoffOutput(raw: WireItem): WireItem {
  return rewriteHandoff(raw, encode);
}

/** A handoff's output as this SDK writes it. */
export function nativeHandoffOutput(raw: WireItem): WireItem {
  return rewriteHandoff(raw, JSON.stringify);
}

function rewriteHandoff(raw: WireItem, write: (value: unknown) => string): WireItem {
  if (typeof raw.output !== 'string' || !raw.output.startsWith('{')) return raw;
  try {
    const value: unknown = JSON.parse(raw.output);
    const isHandoff = isRecord(value) && isDeepStrictEqual(Object.keys(value), ['assistant']);
    return isHandoff ? { ...raw, output: write(value) } : raw;
  } catch (error) {
    // A handoff may answer with any text.
    if (error instanceof SyntaxError) return raw;
    throw error;
  }
}
