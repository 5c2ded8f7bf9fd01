/** `POST /v1/responses`: the answer as JSON or as a stream of events. */

import { type Answer, eventStream, json } from './answer.ts';
import { deterministicId } from './ids.ts';
import { completeItems, type OutputItem } from './items.ts';
import { type Json, type JsonObject, listOf, objectOf, textOf } from './json.ts';
import { inputItems } from './memory.ts';
import type { Dialect, Turn } from './model.ts';
import { admitToOpenai } from './openaiKey.ts';
import { openaiError } from './refusal.ts';
import { eventPiece, responseEvents } from './responseEvents.ts';
import type { Asked } from './scripts.ts';
import { checkResponsesRequest } from './strict/responses.ts';
import { completeUsage } from './usage.ts';

export const responsesDialect: Dialect = {
  admit: admitToOpenai,
  check: checkResponsesRequest,
  asked: askedOfResponses,
  render: (turn) => renderResponse(turn, outputOf(turn)),
  breakOff(answer, { code = 'server_error', message = 'The model broke off.' }) {
    const kept = answer.pieces.slice(0, Math.ceil(answer.pieces.length / 2));
    const error = { type: 'error', code, message, param: null, sequence_number: kept.length };
    if (answer.headers['Content-Type'] === 'application/json') {
      return json(500, { error: { message, type: 'server_error', param: null, code } });
    }
    return { ...answer, pieces: [...kept, eventPiece(error)] };
  },
  error: (refusal) => json(refusal.status, openaiError(refusal), { 'x-should-retry': 'false' }),
};

/** The step's output items with ids; reasoning is encrypted when the request asks for it. */
export function outputOf({ script, step, position, body }: Turn): OutputItem[] {
  const encrypt = listOf(body.include).includes('reasoning.encrypted_content');
  return completeItems(step.output ?? [], [script.seed, position], encrypt);
}

/** Writes the response and remembers it. */
export function renderResponse(turn: Turn, output: OutputItem[]): Answer {
  const { script, position, body } = turn;
  const response = responseObject(turn, output);
  script.memory.remember(textOf(response.id), body, output);
  const headers = { 'x-request-id': deterministicId('req', script.seed, position) };
  if (body.stream !== true) return json(200, response, headers);
  return eventStream(responseEvents(response).map(eventPiece), headers);
}

function responseObject({ script, step, position, body }: Turn, output: OutputItem[]): JsonObject {
  // Not the clock: what a run stores of its answers is then the same each time.
  const createdAt = 1_760_000_000 + position;
  const history = script.memory.history(body).length;
  const conversation = body.conversation;
  return {
    id: deterministicId('resp', script.seed, position),
    object: 'response',
    created_at: createdAt,
    completed_at: createdAt + 1,
    status: 'completed',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model: body.model ?? '',
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: null, summary: null, ...objectOf(body.reasoning) },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: body.service_tier ?? 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: { format: { type: 'text' }, ...objectOf(body.text) },
    tool_choice: body.tool_choice ?? 'auto',
    tools: echoedTools(body.tools),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    usage: completeUsage(step.usage, history + inputItems(body).length, output),
    user: body.user ?? null,
    metadata: body.metadata ?? {},
    ...(conversation === undefined || conversation === null
      ? {}
      : { conversation: typeof conversation === 'string' ? { id: conversation } : conversation }),
    ...step.response,
  };
}

/** The tools come back without what the service keeps to itself: the keys to MCP servers. */
function echoedTools(tools: Json | undefined): Json[] {
  return listOf(tools).map((tool) => {
    const { authorization: _, headers: __, ...rest } = objectOf(tool);
    return rest;
  });
}

/** What a step can be matched with. */
export function askedOfResponses(body: JsonObject): Asked {
  const user = inputItems(body)
    .map(objectOf)
    .findLast((item) => item.role === 'user');
  return {
    model: textOf(body.model ?? ''),
    instructions: textOf(body.instructions ?? ''),
    lastUserText: textOf(user?.content ?? ''),
    body,
  };
}
