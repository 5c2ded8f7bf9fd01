/** A request that is answered with an error. Each dialect writes it in its own form. */

import type { JsonObject } from './json.ts';

export interface RefusalDetails {
  /** The HTTP status (400). */
  status?: number;
  /** The machine-readable reason, such as `unknown_parameter`. */
  code?: string;
  /** The path of the offending value, such as `input[2].id`. */
  param?: string;
  /** The error family (`invalid_request_error`). */
  type?: string;
}

export class Refusal extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  readonly type: string;

  constructor(message: string, details: RefusalDetails = {}) {
    super(message);
    this.status = details.status ?? 400;
    this.code = details.code ?? null;
    this.param = details.param ?? null;
    this.type = details.type ?? 'invalid_request_error';
  }
}

/** The error body that OpenAI sends. */
export function openaiError(refusal: Refusal): JsonObject {
  const { message, type, param, code } = refusal;
  return { error: { message, type, param, code } };
}

/** The script cannot answer: 422, a status that no client repeats. */
export function scriptError(message: string, code: string): Refusal {
  return new Refusal(message, { status: 422, code, type: 'script_error' });
}
