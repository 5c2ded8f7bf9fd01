/** What `POST /v1/chat/completions` refuses. */

import { type Json, type JsonObject, listOf, objectOf, textOf } from '../json.ts';
import { checkMessages } from './chatMessages.ts';
import { checkToolName } from './input.ts';
import { checkSchema } from './schema.ts';
import { checkMetadata, checkStreamOptions } from './settings.ts';
import { checkShape, needObject, type Shape, wrongValue } from './shape.ts';
import { noSuchTool } from './tools.ts';

const LONGEST_NAME = 64;

const REQUEST: Shape = {
  audio: 'object~',
  frequency_penalty: 'number~',
  function_call: 'text|object?',
  functions: 'list?',
  logit_bias: 'object~',
  logprobs: 'flag~',
  max_completion_tokens: 'number~',
  max_tokens: 'number~',
  messages: 'list',
  metadata: 'object~',
  modalities: 'list~',
  model: 'text',
  moderation: 'object~',
  n: 'number~',
  parallel_tool_calls: 'flag?',
  prediction: 'object~',
  presence_penalty: 'number~',
  prompt_cache_key: 'text?',
  prompt_cache_options: 'object?',
  prompt_cache_retention: 'text~',
  reasoning_effort: 'text~',
  response_format: 'object?',
  safety_identifier: 'text?',
  seed: 'number~',
  service_tier: 'text~',
  stop: 'text|list~',
  store: 'flag~',
  stream: 'flag~',
  stream_options: 'object~',
  temperature: 'number~',
  tool_choice: 'text|object?',
  tools: 'list?',
  top_logprobs: 'number~',
  top_p: 'number~',
  user: 'text?',
  verbosity: 'text~',
  web_search_options: 'object?',
};

const FUNCTION: Shape = {
  name: 'text',
  description: 'text?',
  parameters: 'object?',
  strict: 'flag~',
};

export function checkChatRequest(body: JsonObject): void {
  checkShape(body, REQUEST, '');
  checkMetadata(body);
  checkStreamOptions(body);
  checkTools(body.tools);
  checkToolChoice(body);
  checkResponseFormat(body.response_format);
  checkMessages(listOf(body.messages));
}

function checkTools(tools: Json | undefined): void {
  const names = new Set<string>();
  for (const [index, value] of listOf(tools).entries()) {
    const path = `tools[${index}]`;
    const tool = needObject(value, path);
    if (tool.type === 'custom') continue;
    if (tool.type !== 'function') {
      throw wrongValue(`${path}.type`, textOf(tool.type ?? 'nothing'), 'function or custom');
    }
    checkShape(tool, { type: 'text', function: 'object' }, path);
    const described = objectOf(tool.function);
    checkShape(described, FUNCTION, `${path}.function`);
    const name = textOf(described.name);
    checkToolName(name, `${path}.function.name`, LONGEST_NAME);
    if (names.has(name)) {
      throw wrongValue(`${path}.function.name`, name, 'a name that no other tool has');
    }
    names.add(name);
    if (described.parameters === undefined) continue;
    checkSchema(described.parameters, described.strict === true, {
      owner: `function '${name}'`,
      param: `${path}.function.parameters`,
      code: 'invalid_function_parameters',
    });
  }
}

function checkToolChoice(body: JsonObject): void {
  const choice = body.tool_choice;
  if (choice === undefined) return;
  const tools = listOf(body.tools).map(objectOf);
  if (tools.length === 0) throw noSuchTool(textOf(choice));
  if (typeof choice === 'string') {
    if (['none', 'auto', 'required'].includes(choice)) return;
    throw wrongValue('tool_choice', choice, 'none, auto or required');
  }
  const { name } = objectOf(objectOf(choice).function);
  if (name === undefined) return;
  if (!tools.some((tool) => objectOf(tool.function).name === name)) throw noSuchTool(textOf(name));
}

function checkResponseFormat(format: Json | undefined): void {
  const { type, json_schema: described } = objectOf(format);
  if (format === undefined || type === 'text' || type === 'json_object') return;
  if (type !== 'json_schema') {
    const known = 'text, json_object or json_schema';
    throw wrongValue('response_format.type', textOf(type ?? 'nothing'), known);
  }
  const path = 'response_format.json_schema';
  const shape = { name: 'text', schema: 'object?', description: 'text?', strict: 'flag~' };
  const { name, schema, strict } = needObject(described, path);
  checkShape(objectOf(described), shape, path);
  checkToolName(textOf(name), `${path}.name`, LONGEST_NAME);
  if (schema === undefined) return;
  checkSchema(schema, strict === true, {
    owner: `response_format '${textOf(name)}'`,
    param: 'response_format',
    code: 'invalid_json_schema',
  });
}
