/** `POST /v1/chat/completions`: the answer as JSON or as a stream of chunks. */

import { type Answer, eventStream, json } from './answer.ts';
import { deterministicId } from './ids.ts';
import { completeItems, type OutputItem } from './items.ts';
import { type Json, type JsonObject, listOf, objectOf, textOf } from './json.ts';
import type { Dialect, Turn } from './model.ts';
import { admitToOpenai } from './openaiKey.ts';
import { openaiError } from './refusal.ts';
import { chunks } from './responseEvents.ts';
import type { Asked } from './scripts.ts';
import { checkChatRequest } from './strict/chat.ts';
import { completeUsage } from './usage.ts';

export const chatDialect: Dialect = {
  admit: admitToOpenai,
  check: checkChatRequest,
  asked: askedOfChat,
  render: (turn) => renderChat(turn, {}),
  breakOff(answer, { code = 'server_error', message = 'The model broke off.' }) {
    const error = { message, type: 'server_error', param: null, code };
    if (answer.headers['Content-Type'] === 'application/json') return json(500, { error });
    const kept = answer.pieces.slice(0, Math.ceil(answer.pieces.length / 2));
    return { ...answer, pieces: [...kept, chunkPiece({ error })] };
  },
  error: (refusal) => json(refusal.status, openaiError(refusal), { 'x-should-retry': 'false' }),
};

/** What differs between services: the id of the answer, and a field for the model's thinking. */
export interface ChatForm {
  id?: string;
  thinkingField?: string;
}

export function renderChat(turn: Turn, { id, thinkingField }: ChatForm): Answer {
  const { script, step, position, body } = turn;
  const output = completeItems(step.output ?? [], [script.seed, position], false);
  const message = chatMessage(output, thinkingField);
  const finish = message.tool_calls ? 'tool_calls' : 'stop';
  const envelope = {
    id: id ?? deterministicId('chatcmpl', script.seed, position).replace('_', '-'),
    created: 1_760_000_000 + position,
    model: body.model ?? '',
    service_tier: 'default',
    system_fingerprint: 'fp_stub',
    ...step.response,
  };
  const usage = chatUsage(step.usage, listOf(body.messages).length, output);
  const headers = { 'x-request-id': deterministicId('req', script.seed, position) };
  if (body.stream !== true) {
    const choice = { index: 0, message, logprobs: null, finish_reason: finish };
    return json(200, { ...envelope, object: 'chat.completion', choices: [choice], usage }, headers);
  }
  const counted = objectOf(body.stream_options).include_usage === true;
  const pieces = deltas(message, thinkingField).map((delta) => [
    { index: 0, delta, logprobs: null, finish_reason: null },
  ]);
  const last = [{ index: 0, delta: {}, logprobs: null, finish_reason: finish }];
  const chunk = (choices: Json[], more: JsonObject) =>
    chunkPiece({ ...envelope, object: 'chat.completion.chunk', choices, ...more });
  const open = counted ? { usage: null } : {};
  return eventStream(
    [
      ...[...pieces, last].map((choices) => chunk(choices, open)),
      ...(counted ? [chunk([], { usage })] : []),
      'data: [DONE]\n\n',
    ],
    headers,
  );
}

function chunkPiece(chunk: JsonObject): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function chatMessage(output: OutputItem[], thinkingField: string | undefined): JsonObject {
  const of = (type: string) => output.filter((item) => item.type === type);
  const parts = of('message').flatMap((item) => listOf(item.content).map(objectOf));
  const said = parts.filter((part) => part.type === 'output_text').map((part) => part.text);
  const refused = parts.find((part) => part.type === 'refusal');
  const calls = of('function_call').map((item) => ({
    id: item.call_id,
    type: 'function',
    function: { name: item.name, arguments: item.arguments },
  }));
  const thought = of('reasoning').flatMap((item) =>
    listOf(item.content ?? item.summary).map((part) => textOf(objectOf(part).text ?? '')),
  );
  return {
    role: 'assistant',
    content: said.length > 0 ? said.join('') : null,
    refusal: refused?.refusal ?? null,
    annotations: [],
    ...(thinkingField && thought.length > 0 ? { [thinkingField]: thought.join('') } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

function deltas(message: JsonObject, thinkingField: string | undefined): JsonObject[] {
  const of = (field: string) =>
    chunks(textOf(message[field] ?? '')).map((delta) => ({ [field]: delta }));
  const calls = listOf(message.tool_calls).flatMap((value, index) => {
    const { id, type, function: called } = objectOf(value);
    const { name, arguments: full } = objectOf(called);
    return [
      { tool_calls: [{ index, id, type, function: { name, arguments: '' } }] },
      ...chunks(textOf(full)).map((delta) => ({
        tool_calls: [{ index, function: { arguments: delta } }],
      })),
    ];
  });
  return [
    { role: 'assistant', content: '', refusal: null },
    ...(thinkingField ? of(thinkingField) : []),
    ...of('content'),
    ...of('refusal'),
    ...calls,
  ] as JsonObject[];
}

/** Token counts in the words of chat; a step gives them in the words of Responses. */
function chatUsage(given: JsonObject | undefined, messages: number, output: OutputItem[]) {
  const usage = completeUsage(given, messages, output);
  return {
    prompt_tokens: usage.input_tokens,
    completion_tokens: usage.output_tokens,
    total_tokens: usage.total_tokens,
    prompt_tokens_details: { cached_tokens: usage.input_tokens_details.cached_tokens },
    completion_tokens_details: { reasoning_tokens: usage.output_tokens_details.reasoning_tokens },
  };
}

export function askedOfChat(body: JsonObject): Asked {
  const messages = listOf(body.messages).map(objectOf);
  const said = (roles: string[]) =>
    messages.filter((one) => roles.includes(textOf(one.role ?? '')));
  return {
    model: textOf(body.model ?? ''),
    instructions: said(['system', 'developer'])
      .map((one) => textOf(one.content ?? ''))
      .join('\n'),
    lastUserText: textOf(said(['user']).at(-1)?.content ?? ''),
    body,
  };
}
