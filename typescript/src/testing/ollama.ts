/**
 * Ollama's `/v1/responses` and `/v1/chat/completions`, with the habits of the real server: short
 * ids that come again, thinking in plain text, ignored fields, silent truncation, and an error in
 * mid-stream that nobody is told of.
 */

import { type Answer, eventStream, json, text } from './answer.ts';
import { askedOfChat, renderChat } from './chat.ts';
import { deterministicId } from './ids.ts';
import { completeItems, type OutputItem } from './items.ts';
import { type Json, type JsonObject, listOf, objectOf, textOf } from './json.ts';
import { inputItems } from './memory.ts';
import { bearer, type Call, type Dialect, namedScript, type Turn } from './model.ts';
import { checkOllamaChat, checkOllamaResponses } from './ollamaRules.ts';
import { openaiError, Refusal } from './refusal.ts';
import { eventPiece, responseEvents } from './responseEvents.ts';
import { askedOfResponses } from './responses.ts';
import type { Script, Scripts } from './scripts.ts';
import { completeUsage } from './usage.ts';

/** A local daemon, or Ollama Cloud. */
export type OllamaPlace = 'local' | 'cloud';

export function ollamaResponses(place: OllamaPlace): Dialect {
  return {
    admit: (call, body, scripts) => admit(call, body, scripts, place, true),
    check: (body, script) => {
      checkOllamaResponses(body);
      checkThinking(body, script, objectOf(body.reasoning).effort);
    },
    asked: askedOfResponses,
    render: renderResponses,
    breakOff: (answer) => ({ ...answer, pieces: firstHalf(answer) }),
    error: ollamaError,
  };
}

export function ollamaChat(place: OllamaPlace): Dialect {
  return {
    admit: (call, body, scripts) => admit(call, body, scripts, place, false),
    check: (body, script) => {
      checkOllamaChat(body);
      checkThinking(body, script, body.reasoning_effort);
    },
    asked: askedOfChat,
    render(turn) {
      // 999 ids are soon used twice.
      const id = `chatcmpl-${smallNumber(turn) % 999}`;
      const usage = {
        input_tokens: tokensSeen(turn, listOf(turn.body.messages)),
        ...turn.step.usage,
      };
      const step = { ...turn.step, usage };
      return renderChat({ ...turn, step }, { id, thinkingField: 'reasoning' });
    },
    breakOff: (answer) => ({ ...answer, pieces: [...firstHalf(answer), 'data: {}\n\n'] }),
    error: ollamaError,
  };
}

/** The script that the caller means, by key or header, else by the name of the model. */
export function ollamaScript(call: Call, model: string, scripts: Scripts): Script | undefined {
  const named = namedScript(call);
  if (named) return scripts.get(named);
  return scripts.find(model.split(':')[0] ?? '') ?? scripts.withDerived(model);
}

export function unauthorized(): Refusal {
  return new Refusal('unauthorized', { status: 401, type: 'unauthorized' });
}

export function routeMissing(): Refusal {
  return new Refusal('404 page not found', { status: 404, type: 'route_missing' });
}

function admit(
  call: Call,
  body: JsonObject,
  scripts: Scripts,
  place: OllamaPlace,
  responses: boolean,
): Script {
  if (place === 'cloud' && !(bearer(call) && namedScript(call))) throw unauthorized();
  const name = textOf(body.model ?? '');
  const script = ollamaScript(call, name, scripts);
  if (!script) throw modelMissing(name);
  call.entry.script = script.id;
  const { ollama } = script;
  if (responses && !ollama.hasResponses) throw routeMissing();
  const model = ollama.model(name);
  if (!name || !model) throw modelMissing(name);
  if (place === 'local' && ollama.refusesCloud(name)) throw unauthorized();
  return script;
}

function modelMissing(name: string): Refusal {
  return new Refusal(`model '${name}' not found`, { status: 404, type: 'not_found_error' });
}

function checkThinking(body: JsonObject, { ollama }: Script, effort: unknown): void {
  const model = textOf(body.model ?? '');
  if (!effort || effort === 'none' || ollama.model(model)?.thinking !== false) return;
  throw new Refusal(`"${model}" does not support thinking`);
}

export function ollamaError(refusal: Refusal): Answer {
  if (refusal.type === 'route_missing') return text(404, refusal.message);
  if (refusal.type === 'unauthorized') return json(401, { error: refusal.message });
  return json(refusal.status, openaiError(refusal));
}

function renderResponses(turn: Turn): Answer {
  const { body } = turn;
  const streamed = body.stream === true;
  const system = body.instructions ? [{ role: 'system', content: body.instructions }] : [];
  const output = ollamaOutput(turn, streamed);
  const seen = tokensSeen(turn, [...system, ...inputItems(body)]);
  const usage = { input_tokens: seen, ...turn.step.usage };
  const response = responseObject(turn, output, usage);
  if (!streamed) return json(200, response);
  const events = responseEvents(response, { wholeArguments: true, summaryParts: false });
  return eventStream(events.map(eventPiece));
}

function ollamaOutput(turn: Turn, streamed: boolean): OutputItem[] {
  const { script, step, position } = turn;
  const number = smallNumber(turn);
  const items = completeItems(step.output ?? [], [script.seed, position], false);
  const calling = items.some((item) => item.type === 'function_call');
  let calls = 0;
  return items.flatMap((item) => {
    if (item.type === 'message') {
      // The plain reply has no place for what is said beside a call.
      return calling && !streamed ? [] : [{ ...item, id: `msg_${number}` }];
    }
    if (item.type === 'reasoning') {
      const thought = listOf(item.summary).map((part) => textOf(objectOf(part).text ?? ''));
      const id = streamed ? `rs_${number}` : `rs_resp_${number}`;
      return [
        { type: 'reasoning', id, summary: item.summary, encrypted_content: thought.join('') },
      ];
    }
    if (item.type !== 'function_call') return [item];
    const id = streamed ? `fc_${number}_${calls++}` : `fc_resp_${number}_${calls++}`;
    const given = (step.output ?? []).find((one) => one.call_id === item.call_id);
    const callId = given ? item.call_id : `call_${textOf(item.call_id).slice(5, 13)}`;
    return [{ ...item, id, call_id: callId }];
  });
}

/** The same number for the whole script: the real server draws it, and sooner or later twice. */
function smallNumber({ script }: Turn): number {
  return Number.parseInt(deterministicId('n', script.seed).slice(2, 10), 16) % 999_999;
}

/** What is left of the prompt, in tokens; the model is loaded from now on. */
function tokensSeen({ script: { ollama }, body }: Turn, messages: Json[]): number {
  const model = ollama.model(textOf(body.model ?? ''));
  if (!model) throw modelMissing(textOf(body.model ?? ''));
  ollama.load(model);
  return ollama.tokensSeen(model, messages);
}

function responseObject(turn: Turn, output: OutputItem[], usage: JsonObject): JsonObject {
  const { position, body } = turn;
  const createdAt = 1_760_000_000 + position;
  const counted = completeUsage(usage, 0, output);
  return {
    id: `resp_${smallNumber(turn)}`,
    object: 'response',
    created_at: createdAt,
    completed_at: createdAt,
    status: 'completed',
    incomplete_details: null,
    model: body.model ?? '',
    previous_response_id: null,
    instructions: body.instructions ?? null,
    output,
    error: null,
    tools: listOf(body.tools),
    tool_choice: 'auto',
    truncation: body.truncation ?? 'disabled',
    parallel_tool_calls: true,
    text: { format: { type: 'text' }, ...objectOf(body.text) },
    top_p: body.top_p ?? 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: body.temperature ?? 1,
    reasoning: body.reasoning ?? null,
    usage: {
      input_tokens: counted.input_tokens,
      output_tokens: counted.output_tokens,
      total_tokens: counted.total_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    },
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    store: false,
    background: false,
    service_tier: 'default',
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
    ...turn.step.response,
  };
}

function firstHalf(answer: Answer): string[] {
  return answer.pieces.slice(0, Math.ceil(answer.pieces.length / 2));
}
