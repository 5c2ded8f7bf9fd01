/** The items of the input with each other: calls with outputs, reasoning with what it led to. */

import { CIPHER_MARK } from '../ids.ts';
import { type Json, type JsonObject, objectOf, textOf } from '../json.ts';
import type { Memory } from '../memory.ts';
import { Refusal } from '../refusal.ts';
import { itemType } from './input.ts';

/** The type of the output that answers each type of call. */
const OUTPUT_OF: Record<string, string> = {
  function_call: 'function_call_output',
  custom_tool_call: 'custom_tool_call_output',
  computer_call: 'computer_call_output',
  shell_call: 'shell_call_output',
  apply_patch_call: 'apply_patch_call_output',
};
const CALL_OF = Object.fromEntries(
  Object.entries(OUTPUT_OF).map(([call, output]) => [output, call]),
);

/**
 * Checks the input in the light of what came before it.
 *
 * `historyIsWhole` is false when items may have come before that this server has not seen.
 */
export function checkPairs(history: Json[], input: Json[], historyIsWhole: boolean): void {
  const calls = new Map<string, string>();
  const answered = new Set<string>();
  for (const item of [...history, ...input].map(objectOf)) {
    const type = itemType(item);
    const callId = textOf(item.call_id ?? '');
    if (OUTPUT_OF[type]) {
      if (calls.has(callId)) throw broken(`Two calls have the call id '${callId}'.`);
      calls.set(callId, type);
    } else if (CALL_OF[type]) {
      checkOutput(callId, type, calls, answered, historyIsWhole);
      answered.add(callId);
    }
  }
  for (const callId of calls.keys()) {
    if (!answered.has(callId)) throw broken(`No tool output found for function call ${callId}.`);
  }
  checkApprovals([...history, ...input].map(objectOf), historyIsWhole);
}

function checkOutput(
  callId: string,
  type: string,
  calls: Map<string, string>,
  answered: Set<string>,
  historyIsWhole: boolean,
): void {
  if (answered.has(callId)) throw broken(`Two outputs have the call id '${callId}'.`);
  const call = calls.get(callId);
  if (call === undefined && !historyIsWhole) return;
  if (call !== CALL_OF[type]) {
    throw broken(`No tool call found before the ${type} with call id ${callId}.`);
  }
}

function checkApprovals(items: JsonObject[], historyIsWhole: boolean): void {
  const open = new Set<string>();
  const decided = new Set<string>();
  for (const item of items) {
    if (item.type === 'mcp_approval_request') open.add(textOf(item.id));
    if (item.type !== 'mcp_approval_response') continue;
    const request = textOf(item.approval_request_id);
    if (decided.has(request))
      throw broken(`Two decisions were sent for the approval '${request}'.`);
    if (!open.has(request) && historyIsWhole) {
      throw broken(`No approval request '${request}' comes before the decision on it.`);
    }
    decided.add(request);
  }
}

/** No two items of one input may have the same id. */
export function checkUniqueIds(input: Json[]): void {
  const seen = new Set<string>();
  for (const item of input.map(objectOf)) {
    const id = item.id;
    if (typeof id !== 'string') continue;
    if (seen.has(id)) throw broken(`Duplicate item found with id ${id}.`);
    seen.add(id);
  }
}

/** Reasoning must be our own, must still be known, and must stand right before what it led to. */
export function checkReasoning(input: Json[], memory: Memory): void {
  const items = input.map(objectOf);
  for (const [index, item] of items.entries()) {
    if (itemType(item) === 'reasoning') {
      checkCipher(item, index, memory);
      checkFollowed(item, items.slice(index + 1));
    }
    checkReasoned(item, items, memory);
  }
}

/** Reasoning that is sent without its id belongs to nothing in particular. */
function checkFollowed({ id }: JsonObject, after: JsonObject[]): void {
  const next = after.find((item) => itemType(item) !== 'reasoning');
  if (id === undefined || (next && isSpoken(next))) return;
  throw broken(`Item '${id}' of type 'reasoning' came without the item that follows it.`);
}

function checkCipher(item: JsonObject, index: number, memory: Memory): void {
  const { id } = item;
  const cipher = item.encrypted_content;
  if (typeof cipher === 'string') {
    const mine = cipher.startsWith(CIPHER_MARK);
    const bound = cipher.slice(CIPHER_MARK.length);
    if (mine && (typeof id !== 'string' || !bound.startsWith('rs_') || bound === id)) return;
    const why = mine
      ? `belongs to the item '${bound}', not to this one`
      : 'was not made by this service';
    throw new Refusal(`The encrypted content of '${textOf(id ?? 'reasoning')}' ${why}.`, {
      code: 'invalid_encrypted_content',
      param: `input[${index}].encrypted_content`,
    });
  }
  if (typeof id !== 'string' || memory.isStored(id)) return;
  throw new Refusal(
    `Item with id '${id}' not found: it carries no encrypted content, and no ` +
      'stored response has it.',
    { status: 404, param: 'input' },
  );
}

/** An item that was given right after reasoning comes back with it, when it comes with its id. */
function checkReasoned(item: JsonObject, items: JsonObject[], memory: Memory): void {
  const { id } = item;
  const reasoning = typeof id === 'string' ? memory.reasoningOf(id) : undefined;
  if (reasoning === undefined || items.some((other) => other.id === reasoning)) return;
  // Reasoning that is sent without its id cannot be compared.
  if (items.some((other) => itemType(other) === 'reasoning' && other.id === undefined)) return;
  throw broken(
    `Item '${id}' of type '${itemType(item)}' came without its required reasoning '${reasoning}'.`,
  );
}

function isSpoken(item: JsonObject): boolean {
  const type = itemType(item);
  return type.endsWith('_call') || type.startsWith('mcp_') || item.role === 'assistant';
}

function broken(message: string): Refusal {
  return new Refusal(message, { param: 'input' });
}
