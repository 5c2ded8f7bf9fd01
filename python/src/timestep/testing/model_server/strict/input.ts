/** Each item of the input by itself: its fields, its parts, its ids. */

import { ID_PREFIX } from '../ids.ts';
import { type Json, type JsonObject, textOf } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { checkGivenParts, checkSpokenParts, checkTextParts } from './content.ts';
import { ASSISTANT_MESSAGE, ITEM_REFERENCE, ITEM_SHAPES, USER_MESSAGE } from './itemShapes.ts';
import { checkShape, needObject, wrongValue } from './shape.ts';

export const LONGEST_ID = 64;
const GIVEN_ROLES = ['user', 'system', 'developer'];
const STATUSES = ['in_progress', 'completed', 'incomplete'];
const STATUS_BEARERS = ['message', 'function_call', 'function_call_output', 'reasoning'];

export function checkInputItems(items: Json[]): void {
  for (const [index, item] of items.entries()) {
    checkItem(needObject(item, `input[${index}]`), `input[${index}]`);
  }
}

/** The type of an item; a message may leave it out. */
export function itemType(item: JsonObject): string {
  if (typeof item.type === 'string') return item.type;
  return item.role === undefined && item.id !== undefined ? 'item_reference' : 'message';
}

function checkItem(item: JsonObject, path: string): void {
  const type = itemType(item);
  if (type === 'message') checkMessage(item, path);
  else checkShape(item, shapeOf(type, path), path);
  checkId(item.id, type, path);
  if (typeof item.call_id === 'string') checkIdText(item.call_id, `${path}.call_id`);
  const { status } = item;
  if (typeof status === 'string' && STATUS_BEARERS.includes(type) && !STATUSES.includes(status)) {
    throw wrongValue(`${path}.status`, status, `one of ${STATUSES.join(', ')}`);
  }
  if (type === 'function_call') checkToolName(textOf(item.name), `${path}.name`);
  if (type.endsWith('tool_call_output') || type === 'function_call_output') {
    checkGivenParts(item.output, `${path}.output`);
  }
  if (type === 'reasoning') {
    checkTextParts(item.summary, 'summary_text', `${path}.summary`);
    checkTextParts(item.content, 'reasoning_text', `${path}.content`);
  }
}

function checkMessage(item: JsonObject, path: string): void {
  const { role } = item;
  if (role === 'assistant') {
    checkShape(item, ASSISTANT_MESSAGE, path);
    checkSpokenParts(item.content, `${path}.content`);
    return;
  }
  checkShape(item, USER_MESSAGE, path);
  if (!GIVEN_ROLES.includes(textOf(role))) {
    throw wrongValue(`${path}.role`, textOf(role), `assistant or one of ${GIVEN_ROLES.join(', ')}`);
  }
  checkGivenParts(item.content, `${path}.content`);
}

function shapeOf(type: string, path: string) {
  const shape = type === 'item_reference' ? ITEM_REFERENCE : ITEM_SHAPES[type];
  if (shape) return shape;
  const known = ['message', ...Object.keys(ITEM_SHAPES), 'item_reference'];
  throw wrongValue(`${path}.type`, type, `one of ${known.join(', ')}`);
}

function checkId(id: Json | undefined, type: string, path: string): void {
  if (typeof id !== 'string') return;
  checkIdText(id, `${path}.id`);
  const prefix = ID_PREFIX[type];
  if (prefix && !id.startsWith(prefix)) {
    throw wrongValue(`${path}.id`, id, `an ID that begins with '${prefix}'`);
  }
}

function checkIdText(id: string, path: string): void {
  if (id.length > LONGEST_ID) {
    throw new Refusal(`'${path}' has ${id.length} characters; at most ${LONGEST_ID} are allowed.`, {
      code: 'string_above_max_length',
      param: path,
    });
  }
  if (!/^[A-Za-z0-9_-]+$/.test(id)) {
    throw wrongValue(path, id, 'an ID of letters, digits, underscores and dashes');
  }
}

/** Tool names are 1 to 128 letters, digits, underscores and dashes. */
export function checkToolName(name: string, path: string, longest = 128): void {
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) {
    throw wrongValue(path, name, "a name that matches '^[a-zA-Z0-9_-]+$'");
  }
  if (name.length > longest) {
    throw new Refusal(`'${path}' has ${name.length} characters; at most ${longest} are allowed.`, {
      code: 'string_above_max_length',
      param: path,
    });
  }
}
