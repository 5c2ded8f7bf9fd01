/** What `POST /v1/responses` refuses. */

import { type Json, type JsonObject, listOf, objectOf, textOf } from '../json.ts';
import { inputItems, type Memory } from '../memory.ts';
import { Refusal } from '../refusal.ts';
import type { Script } from '../scripts.ts';
import { checkInputItems, itemType } from './input.ts';
import { checkPairs, checkReasoning, checkUniqueIds } from './pairing.ts';
import { checkMetadata, checkStreamOptions } from './settings.ts';
import { checkShape, missingParameter, type Shape, wrongValue } from './shape.ts';
import { checkTextFormat, checkToolChoice, checkTools } from './tools.ts';

const REQUEST: Shape = {
  access_programs: 'object?',
  background: 'flag~',
  background_options: 'object?',
  context_management: 'list~',
  conversation: 'text|object~',
  image: 'object?',
  include: 'list~',
  input: 'text|list?',
  instructions: 'text~',
  max_output_tokens: 'number~',
  max_tool_calls: 'number~',
  metadata: 'object~',
  model: 'text?',
  moderation: 'object~',
  parallel_tool_calls: 'flag~',
  previous_response_id: 'text~',
  prompt: 'object~',
  prompt_cache_key: 'text?',
  prompt_cache_options: 'object?',
  prompt_cache_retention: 'text~',
  reasoning: 'object~',
  safety_identifier: 'text?',
  service_tier: 'text~',
  store: 'flag~',
  stream: 'flag~',
  stream_options: 'object~',
  temperature: 'number~',
  text: 'object?',
  tool_choice: 'text|object?',
  tools: 'list?',
  top_logprobs: 'number~',
  top_p: 'number~',
  truncation: 'text~',
  user: 'text?',
};

const REASONING: Shape = {
  context: 'text~',
  effort: 'text~',
  generate_summary: 'text~',
  mode: 'text?',
  summary: 'text~',
};

const INCLUDABLE = [
  'code_interpreter_call.outputs',
  'computer_call_output.output.image_url',
  'file_search_call.results',
  'message.input_image.image_url',
  'message.output_text.logprobs',
  'reasoning.encrypted_content',
  'web_search_call.action.sources',
  'web_search_call.results',
];

export function checkResponsesRequest(body: JsonObject, { memory }: Script): void {
  checkShape(body, REQUEST, '');
  checkPresence(body);
  checkSettings(body);
  checkTools(body.tools);
  checkToolChoice(body);
  checkTextFormat(body.text);
  const history = memory.history(body);
  const input = inputItems(body);
  checkInputItems(input);
  checkUniqueIds(input);
  checkReferences(input, memory);
  checkPairs(history, input, memory.isWhole(body));
  checkReasoning(input, memory);
}

function checkPresence(body: JsonObject): void {
  const { model, prompt, input, conversation } = body;
  const previous = body.previous_response_id;
  if (!model && !prompt) throw missingParameter('model');
  if (input === undefined && !prompt && !previous && !conversation) throw missingParameter('input');
  if (previous && conversation) {
    throw new Refusal("Only one of 'previous_response_id' and 'conversation' may be given.", {
      code: 'mutually_exclusive_parameters',
    });
  }
}

function checkSettings(body: JsonObject): void {
  if (body.reasoning) checkShape(objectOf(body.reasoning), REASONING, 'reasoning');
  for (const [index, value] of listOf(body.include).entries()) {
    if (!INCLUDABLE.includes(textOf(value))) {
      throw wrongValue(`include[${index}]`, textOf(value), `one of ${INCLUDABLE.join(', ')}`);
    }
  }
  checkMetadata(body);
  checkStreamOptions(body);
}

function checkReferences(input: Json[], memory: Memory): void {
  for (const item of input.map(objectOf)) {
    if (itemType(item) !== 'item_reference' || memory.isStored(textOf(item.id))) continue;
    throw new Refusal(`Item with id '${textOf(item.id)}' not found.`, {
      status: 404,
      param: 'input',
    });
  }
}
