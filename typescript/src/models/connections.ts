/**
 * How long the model client may wait by itself.
 *
 * A service that is asked too often says how long to stay away. Up to a minute the client waits
 * and tries again. More is the caller's business, who may have better things to do; the client of
 * this language would try again at once instead.
 */

import { getDefaultOpenAIClient, type OpenAIResponsesModel } from '@openai/agents';
import type { OpenAI } from 'openai';

const LONGEST_WAIT_SECONDS = 60;

/** The global fetch, with an answer that asks for a long wait marked as not to be tried again. */
export async function patientFetch(
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const response = await fetch(input, init);
  if (askedToWait(response.headers) <= LONGEST_WAIT_SECONDS) return response;
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set('x-should-retry', 'false');
  return new Response(response.body, { status, statusText, headers });
}

function askedToWait(headers: Headers): number {
  const value = headers.get('retry-after') ?? '0';
  const seconds = Number(value);
  return Number.isNaN(seconds) ? (Date.parse(value) - Date.now()) / 1000 : seconds;
}

/** Let a model of the SDK call as described above; a client that the application chose stays. */
export function waitPatiently(model: OpenAIResponsesModel, chosen: OpenAI | undefined): void {
  const holder = model as unknown as { _client: OpenAI };
  if (holder._client === chosen || holder._client === getDefaultOpenAIClient()) return;
  holder._client = holder._client.withOptions({ fetch: patientFetch });
}
