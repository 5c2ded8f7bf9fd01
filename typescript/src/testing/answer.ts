/** What is sent back, and the ways in which a script lets the sending go wrong. */

import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from './json.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** The body, in the pieces in which it is written: one for JSON, one per event for a stream. */
  pieces: string[];
}

/** What goes wrong with one answer. Fields may be combined: `cut_after` with `hang` stalls. */
export interface Fault {
  /** Answers with this HTTP status instead of the step's output. */
  status?: number;
  /** Headers that are added, such as `{"Retry-After": "1"}`. */
  headers?: Record<string, string>;
  /** The body that goes with `status`; an error in OpenAI's form when left out. */
  body?: Json;
  /** Sends this text as the whole body, whatever it is. */
  raw?: string;
  /** Sends so many bytes of the body, then drops the connection. */
  cut_after?: number;
  /** Waits so many milliseconds before the first byte. */
  delay_ms?: number;
  /** Never ends the answer; the connection stays open until the client gives up. */
  hang?: boolean;
  /** Replaces the end of a stream by an error event, half-way. */
  error_event?: { code?: string; message?: string };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    pieces: [JSON.stringify(body)],
  };
}

export function text(status: number, body: string): Answer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, pieces: [body] };
}

export function eventStream(pieces: string[], headers: Record<string, string> = {}): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'text/event-stream; charset=utf-8', ...headers },
    pieces,
  };
}

/** The answer that a fault makes of the one that the step would have given. */
export function withFault(answer: Answer, fault: Fault): Answer {
  const headers = { ...answer.headers, ...fault.headers };
  if (fault.raw !== undefined) {
    return { status: fault.status ?? answer.status, headers, pieces: [fault.raw] };
  }
  if (fault.status === undefined) return { ...answer, headers };
  const body = fault.body ?? {
    error: {
      message: `The script answers with status ${fault.status}.`,
      type: fault.status === 429 ? 'rate_limit_error' : 'server_error',
      param: null,
      code: fault.status === 429 ? 'rate_limit_exceeded' : null,
    },
  };
  if (typeof body === 'string') return { ...text(fault.status, body), headers };
  return json(fault.status, body, fault.headers);
}

/** Writes the answer, piece by piece, as the fault allows. Returns when the last byte is handed over. */
export async function send(
  response: ServerResponse,
  answer: Answer,
  fault: Fault = {},
): Promise<void> {
  if (fault.delay_ms) await sleep(fault.delay_ms);
  if (response.destroyed) return;
  if (fault.hang && fault.cut_after === undefined) return;
  if (fault.cut_after !== undefined) return cut(response, answer, fault.cut_after, !fault.hang);
  response.writeHead(answer.status, answer.headers);
  for (const piece of answer.pieces) response.write(piece);
  response.end();
}

function cut(response: ServerResponse, answer: Answer, bytes: number, drop: boolean): void {
  const whole = Buffer.from(answer.pieces.join(''));
  // A JSON body would be known to be short only if its full length was announced.
  const length: Record<string, string> =
    answer.pieces.length === 1 ? { 'Content-Length': String(whole.length) } : {};
  response.writeHead(answer.status, { ...answer.headers, ...length });
  response.write(whole.subarray(0, bytes), () => {
    if (drop) response.destroy();
  });
}
