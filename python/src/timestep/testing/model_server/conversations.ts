/** `POST /v1/conversations`: a conversation that later requests may name. */

import { type Answer, json } from './answer.ts';
import { deterministicId } from './ids.ts';
import { listOf, objectOf } from './json.ts';
import { type Call, parseObject } from './model.ts';
import { admitToOpenai } from './openaiKey.ts';
import { openaiError, Refusal } from './refusal.ts';
import type { Scripts } from './scripts.ts';
import { checkInputItems } from './strict/input.ts';
import { checkShape } from './strict/shape.ts';

export function createConversation(call: Call, scripts: Scripts): Answer {
  try {
    return created(call, scripts);
  } catch (error) {
    if (error instanceof Refusal) return json(error.status, openaiError(error));
    throw error;
  }
}

function created(call: Call, scripts: Scripts): Answer {
  const { memory, seed } = admitToOpenai(call, {}, scripts);
  const body = parseObject(call.text || '{}');
  if (!body) throw new Refusal('The body of the request is no JSON object.');
  checkShape(body, { items: 'list~', metadata: 'object~' }, '');
  checkInputItems(listOf(body.items));
  const id = deterministicId('conv', seed, memory.conversationCount);
  memory.addConversation(id, listOf(body.items));
  const metadata = objectOf(body.metadata);
  return json(200, { id, object: 'conversation', created_at: 1_760_000_000, metadata });
}
