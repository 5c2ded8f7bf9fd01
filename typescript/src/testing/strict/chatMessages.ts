/** The messages of a chat: their fields and parts, and each tool's answer right after its call. */

import { type Json, type JsonObject, listOf, objectOf, textOf } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { checkToolName } from './input.ts';
import { checkShape, missingParameter, needObject, type Shape, wrongValue } from './shape.ts';

const MESSAGE_SHAPES: Record<string, Shape> = {
  system: { role: 'text', content: 'text|list', name: 'text?' },
  developer: { role: 'text', content: 'text|list', name: 'text?' },
  user: { role: 'text', content: 'text|list', name: 'text?' },
  assistant: {
    role: 'text',
    content: 'text|list~',
    name: 'text?',
    refusal: 'text~',
    audio: 'object~',
    tool_calls: 'list?',
    function_call: 'object~',
  },
  tool: { role: 'text', content: 'text|list', tool_call_id: 'text' },
};

const TEXT: Shape = { type: 'text', text: 'text', prompt_cache_breakpoint: 'object?' };
const USER_PARTS: Record<string, Shape> = {
  text: TEXT,
  image_url: { type: 'text', image_url: 'object', prompt_cache_breakpoint: 'object?' },
  input_audio: { type: 'text', input_audio: 'object', prompt_cache_breakpoint: 'object?' },
  file: { type: 'text', file: 'object', prompt_cache_breakpoint: 'object?' },
};
const PART_SHAPES: Record<string, Record<string, Shape>> = {
  system: { text: TEXT },
  developer: { text: TEXT },
  tool: { text: TEXT },
  assistant: { text: TEXT, refusal: { type: 'text', refusal: 'text' } },
  user: USER_PARTS,
};

export function checkMessages(messages: Json[]): void {
  if (messages.length === 0) throw new Refusal("'messages' is empty.", { param: 'messages' });
  const open = new Set<string>();
  for (const [index, value] of messages.entries()) {
    const path = `messages[${index}]`;
    const message = needObject(value, path);
    checkMessage(message, path);
    if (message.role === 'tool') {
      if (!open.delete(textOf(message.tool_call_id))) {
        throw new Refusal(
          `'${path}' has the role 'tool', but no call '${textOf(message.tool_call_id)}' is open: ` +
            "it must follow the assistant message whose 'tool_calls' it answers.",
          { param: `${path}.role` },
        );
      }
      continue;
    }
    if (open.size > 0) throw unanswered(open, index);
    for (const call of listOf(message.tool_calls)) open.add(textOf(objectOf(call).id));
  }
  if (open.size > 0) throw unanswered(open, messages.length);
}

function checkMessage(message: JsonObject, path: string): void {
  const role = textOf(message.role ?? 'nothing');
  const shape = MESSAGE_SHAPES[role];
  if (!shape) {
    throw wrongValue(`${path}.role`, role, `one of ${Object.keys(MESSAGE_SHAPES).join(', ')}`);
  }
  checkShape(message, shape, path);
  for (const [index, part] of listOf(message.content).entries()) {
    checkPart(needObject(part, `${path}.content[${index}]`), role, `${path}.content[${index}]`);
  }
  if (role !== 'assistant') return;
  const { content, tool_calls: calls, refusal, audio, function_call: legacy } = message;
  if (!content && content !== '' && !calls && !refusal && !audio && !legacy) {
    throw missingParameter(`${path}.content`);
  }
  if (calls !== undefined) checkToolCalls(listOf(calls), `${path}.tool_calls`);
}

function checkPart(part: JsonObject, role: string, path: string): void {
  const shapes = PART_SHAPES[role] ?? {};
  const shape = shapes[textOf(part.type ?? 'nothing')];
  if (!shape) {
    const known = Object.keys(shapes).join(', ');
    throw wrongValue(`${path}.type`, textOf(part.type ?? 'nothing'), `one of ${known}`);
  }
  checkShape(part, shape, path);
  if (part.type === 'image_url') {
    checkShape(objectOf(part.image_url), { url: 'text', detail: 'text?' }, `${path}.image_url`);
  }
}

function checkToolCalls(calls: Json[], path: string): void {
  if (calls.length === 0) throw new Refusal(`'${path}' is empty.`, { param: path });
  const ids = new Set<string>();
  for (const [index, value] of calls.entries()) {
    const at = `${path}[${index}]`;
    const call = needObject(value, at);
    if (call.type === 'custom') continue;
    checkShape(call, { id: 'text', type: 'text', function: 'object' }, at);
    checkShape(objectOf(call.function), { name: 'text', arguments: 'text' }, `${at}.function`);
    checkToolName(textOf(objectOf(call.function).name), `${at}.function.name`, 64);
    if (ids.has(textOf(call.id))) {
      throw wrongValue(`${at}.id`, textOf(call.id), 'an ID that no other call has');
    }
    ids.add(textOf(call.id));
  }
}

function unanswered(open: Set<string>, index: number): Refusal {
  return new Refusal(
    "An assistant message with 'tool_calls' must be followed by one tool message for each call. " +
      `Without an answer: ${[...open].join(', ')}.`,
    { param: `messages[${index}].role` },
  );
}
