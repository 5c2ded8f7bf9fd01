/** Output items as a script may write them, completed to the full wire form. */

import { CIPHER_MARK, deterministicId, ID_PREFIX } from './ids.ts';
import { type Json, type JsonObject, listOf, objectOf, textOf } from './json.ts';

/**
 * One output item. Everything of the wire form may be given; what is left out is filled in:
 * ids, `status`, and the long form of the short fields.
 *
 * - `{type: 'message', text}` (an object becomes its JSON text), or `{type: 'message', refusal}`
 * - `{type: 'function_call', name, arguments, call_id?}` (`arguments` as text or object)
 * - `{type: 'reasoning', summary, text?}` (`summary` as text, or the list of the wire form)
 * - any other type: passed on, with an id
 */
export type OutputItem = JsonObject & { type: string };

/** The items of one step, completed. `place` names the step: seed and position. */
export function completeItems(
  items: OutputItem[],
  place: (string | number)[],
  encryptReasoning: boolean,
): OutputItem[] {
  return items.map((item, index) => {
    const prefix = ID_PREFIX[item.type] ?? 'item';
    const id = textOf(item.id ?? deterministicId(prefix, ...place, index));
    if (item.type === 'message') return completeMessage(item, id);
    if (item.type === 'function_call') {
      const callId = item.call_id ?? deterministicId('call', ...place, index);
      return completeCall(item, id, textOf(callId));
    }
    if (item.type === 'reasoning') return completeReasoning(item, id, encryptReasoning);
    return { ...item, id };
  });
}

function completeMessage({ text, refusal, ...item }: OutputItem, id: string): OutputItem {
  const part =
    refusal === undefined
      ? { type: 'output_text', annotations: [], logprobs: [], text: textOf(text ?? '') }
      : { type: 'refusal', refusal: textOf(refusal) };
  const content = item.content ?? [part];
  return { id, status: 'completed', role: 'assistant', ...item, content };
}

function completeCall(item: OutputItem, id: string, callId: string): OutputItem {
  const given = item.arguments;
  return {
    id,
    status: 'completed',
    ...item,
    arguments: given === undefined ? '{}' : textOf(given),
    call_id: callId,
  };
}

function completeReasoning(
  { text, ...item }: OutputItem,
  id: string,
  encrypt: boolean,
): OutputItem {
  const { summary } = item;
  const parts = typeof summary === 'string' ? [{ type: 'summary_text', text: summary }] : summary;
  const content = text === undefined ? {} : { content: [{ type: 'reasoning_text', text }] };
  const cipher = encrypt ? { encrypted_content: `${CIPHER_MARK}${id}` } : {};
  return { id, ...content, ...cipher, ...item, summary: listOf(parts as Json) };
}

/** Everything that the model said or called, or else thought, in these items: for counting. */
export function spokenText(items: OutputItem[], reasoning: boolean): string {
  return items
    .filter((item) => (item.type === 'reasoning') === reasoning)
    .flatMap((item) => {
      const parts = [...listOf(item.content), ...listOf(item.summary)].map(objectOf);
      const texts = parts.map((part) => part.text ?? part.refusal);
      return [item.name, item.arguments, ...texts].filter((text) => typeof text === 'string');
    })
    .join('');
}
