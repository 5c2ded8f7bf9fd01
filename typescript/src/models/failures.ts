/**
 * Failures of a model call, told alike for every provider and in both languages.
 *
 * The classes stay those of the model client and of the SDK, since the SDK decides by them what
 * may be tried again. Only the words change.
 */

import { ModelBehaviorError, type StreamEvent } from '@openai/agents';
import {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  NotFoundError,
} from 'openai';
import type { Destination } from './destination.ts';

/**
 * A cut connection and malformed JSON as the classes that callers know: APIConnectionError and
 * ModelBehaviorError. Any other error is given back as it is.
 */
export function asBrokenAnswer(error: unknown): unknown {
  if (error instanceof SyntaxError) {
    return withCause(
      new ModelBehaviorError(`The model's answer is no JSON: ${error.message}`),
      error,
    );
  }
  if (error instanceof TypeError && error.message === 'terminated') {
    const message = `The model's answer was cut in the middle: ${reason(error)}`;
    return new APIConnectionError({ message, cause: error });
  }
  if (error instanceof APIError && error.status === undefined && !isConnectionError(error)) {
    const message = `The model's answer broke off with an error: ${error.message}`;
    return withCause(new ModelBehaviorError(message), error);
  }
  return error;
}

function isConnectionError(error: Error): boolean {
  return error instanceof APIConnectionError || error instanceof APIUserAbortError;
}

/** Pass the events of one answer on, with breaks told as `asBrokenAnswer` tells them. */
export async function* wholeAnswer(
  events: AsyncIterable<StreamEvent>,
): AsyncGenerator<StreamEvent> {
  try {
    yield* events;
  } catch (error) {
    throw asBrokenAnswer(error);
  }
}

/** The same error, saying what to do about it when it comes from an Ollama host. */
export function inOllamaWords(error: unknown, destination: Destination): unknown {
  const words = error instanceof Error ? wordsFor(error, destination) : undefined;
  if (words) (error as Error).message = `${words} (${(error as Error).message})`;
  return error;
}

function wordsFor(error: Error, { root, model, cloud }: Destination): string | undefined {
  if (error instanceof APIConnectionTimeoutError)
    return `Ollama at ${root} did not answer in time.`;
  if (error instanceof APIConnectionError && isRefused(error)) {
    const orCloud = cloud ? '' : `, or use Ollama Cloud: '${model}-cloud' with OLLAMA_API_KEY set`;
    return (
      `Nothing answers at ${root}. Start Ollama there, set OLLAMA_HOST or baseURL to where it ` +
      `runs${orCloud}.`
    );
  }
  if (error instanceof NotFoundError && error.message.includes('page not found')) {
    return `The Ollama at ${root} is too old for agents: update it to 0.22 or newer.`;
  }
  if (error instanceof NotFoundError && cloud) {
    return `Ollama Cloud has no model '${model}': see https://ollama.com/search?c=cloud.`;
  }
  if (error instanceof NotFoundError) {
    return `The Ollama at ${root} has no model '${model}': run \`ollama pull ${model}\` there.`;
  }
  if (error instanceof AuthenticationError && cloud) {
    return 'Ollama Cloud refused the key: check OLLAMA_API_KEY or apiKey.';
  }
  if (error instanceof AuthenticationError) {
    return `Ollama at ${root} refused the call: run \`ollama signin\` there, or pass apiKey.`;
  }
  return undefined;
}

function isRefused(error: Error): boolean {
  const codes = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'];
  return causes(error).some((cause) => codes.includes((cause as { code?: string }).code ?? ''));
}

function reason(error: Error): string {
  return causes(error).at(-1)?.message ?? error.message;
}

function causes(error: Error): Error[] {
  const inner = error.cause instanceof Error ? causes(error.cause) : [];
  return [error, ...inner];
}

function withCause<T extends Error>(error: T, cause: Error): T {
  error.cause = cause;
  return error;
}
