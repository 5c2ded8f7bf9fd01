/**
 * The way of one model request, the same for every API that the server speaks:
 * who asks, is the request legal, which step answers it, does it wait, what goes wrong, send.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { type Answer, type Fault, withFault } from './answer.ts';
import type { JournalEntry } from './journal.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal } from './refusal.ts';
import type { Asked, Script, Scripts, Step } from './scripts.ts';

/** A request as it arrived. */
export interface Call {
  method: string;
  /** The path without the query. */
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  entry: JournalEntry;
  /** Aborted when the client has hung up. */
  gone: AbortSignal;
}

/** A legal request and the step that answers it. */
export interface Turn {
  script: Script;
  step: Step;
  position: number;
  body: JsonObject;
}

/** One API: whom it admits, what it refuses, how it writes answers and errors. */
export interface Dialect {
  /** The script that the caller may use; notes it in the journal. */
  admit(call: Call, body: JsonObject, scripts: Scripts): Script;
  check(body: JsonObject, script: Script): void;
  asked(body: JsonObject): Asked;
  render(turn: Turn): Answer;
  /** The answer that breaks off with an error event half-way. */
  breakOff(answer: Answer, error: NonNullable<Fault['error_event']>): Answer;
  error(refusal: Refusal): Answer;
}

export interface Reply {
  answer: Answer;
  fault?: Fault | undefined;
}

export async function answerModelCall(
  dialect: Dialect,
  call: Call,
  scripts: Scripts,
): Promise<Reply> {
  try {
    return await takeTurn(dialect, call, scripts);
  } catch (error) {
    if (error instanceof Refusal) return { answer: dialect.error(error) };
    throw error;
  }
}

async function takeTurn(dialect: Dialect, call: Call, scripts: Scripts): Promise<Reply> {
  const body = parseObject(call.text);
  const script = dialect.admit(call, body ?? {}, scripts);
  if (!body) {
    throw new Refusal('The body of the request is no JSON object.', { code: 'invalid_json' });
  }
  if (!script.loose) dialect.check(body, script);
  const { step, position } = script.take(dialect.asked(body));
  call.entry.step = position;
  if (step.hold) await script.gates.hold(step.hold, call.gone);
  return { answer: rendered(dialect, { script, step, position, body }), fault: step.fault };
}

function rendered(dialect: Dialect, turn: Turn): Answer {
  const { fault } = turn.step;
  // A step that only fails gives no answer that a later request could refer to.
  if (fault?.status !== undefined) return withFault({ status: 0, headers: {}, pieces: [] }, fault);
  const answer = dialect.render(turn);
  if (!fault) return answer;
  return withFault(fault.error_event ? dialect.breakOff(answer, fault.error_event) : answer, fault);
}

/** The body as an object; undefined when it is none. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** The script that the caller names by header, or by an API key `test-<script id>`. */
export function namedScript(call: Call): string | undefined {
  const header = call.headers['x-timestep-script'];
  if (typeof header === 'string' && header) return header;
  return bearer(call)?.match(/^test-(.+)$/)?.[1];
}

/** The Bearer key of the request; undefined when there is none or it is empty. */
export function bearer(call: Call): string | undefined {
  return call.headers.authorization?.match(/^Bearer\s+(\S.*)$/)?.[1];
}
