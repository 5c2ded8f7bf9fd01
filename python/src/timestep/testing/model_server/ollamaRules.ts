/** What Ollama's OpenAI-compatible endpoints refuse. Everything that they do not know is ignored. */

import { type Json, type JsonObject, listOf, objectOf, textOf } from './json.ts';
import { inputItems } from './memory.ts';
import { parseObject } from './model.ts';
import { Refusal } from './refusal.ts';

const ITEM_TYPES = ['message', 'function_call', 'function_call_output', 'reasoning'];
const PART_TYPES = ['input_text', 'input_image', 'output_text', 'input_file'];
const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

export function checkOllamaResponses(body: JsonObject): void {
  for (const [index, item] of inputItems(body).map(objectOf).entries()) {
    checkItem(item, `input[${index}]`);
  }
  checkEffort(objectOf(body.reasoning).effort);
}

function checkItem(item: JsonObject, path: string): void {
  const type = item.type ?? (item.role ? 'message' : undefined);
  if (type === undefined) throw new Refusal(`${path}: input item missing required 'type' field`);
  if (!ITEM_TYPES.includes(textOf(type))) {
    throw new Refusal(`${path}: unknown input item type: "${textOf(type)}"`);
  }
  if (type === 'function_call')
    checkArguments(item.arguments, 'failed to parse function call arguments');
  for (const part of [...listOf(item.content), ...listOf(item.output)].map(objectOf)) {
    // Reasoning has a content of its own, which is not read.
    if (type !== 'reasoning') checkPart(part, path);
  }
}

function checkPart(part: JsonObject, path: string): void {
  const type = textOf(part.type ?? '');
  if (!PART_TYPES.includes(type)) throw new Refusal(`${path}: unknown content type: ${type}`);
  if (type === 'input_file') throw new Refusal('file inputs are not currently supported');
  if (type === 'input_image' && part.image_url) checkImage(part.image_url);
}

export function checkOllamaChat(body: JsonObject): void {
  const messages = listOf(body.messages).map(objectOf);
  if (messages.length === 0) throw new Refusal("[] is too short - 'messages'");
  for (const message of messages) {
    for (const part of listOf(message.content).map(objectOf)) {
      if (part.type === 'image_url') checkImage(objectOf(part.image_url).url ?? part.image_url);
    }
    for (const call of listOf(message.tool_calls).map(objectOf)) {
      checkArguments(objectOf(call.function).arguments, 'invalid tool call arguments');
    }
  }
  checkEffort(body.reasoning_effort);
}

function checkArguments(given: Json | undefined, message: string): void {
  if (given === '' || (typeof given === 'string' && parseObject(given))) return;
  throw new Refusal(message);
}

function checkImage(url: Json | undefined): void {
  if (/^data:image\/(jpeg|jpg|png|webp);base64,/.test(textOf(url ?? ''))) return;
  throw new Refusal('invalid image input');
}

function checkEffort(effort: Json | undefined): void {
  if (effort === undefined || effort === null || EFFORTS.includes(textOf(effort))) return;
  throw new Refusal(`invalid reasoning value: "${textOf(effort)}"`);
}
