/** Ollama's context: small by default, and cut without a word when a prompt is too long. */

import { ModelBehaviorError } from '@openai/agents';
import { type OpenAI, OpenAIError } from 'openai';
import { ConfigurationError } from '../errors.ts';
import { info, warn } from '../logger.ts';
import type { ModelInput } from './items.ts';

/** Tokens; below it, tools and a few turns already fill the prompt. */
const SMALL_CONTEXT = 16_384;
const ROOM =
  'Raise it with new OllamaModelProvider({ numCtx }) or with OLLAMA_CONTEXT_LENGTH where Ollama runs';
// Every tokenizer spends at least one token on each of these, so their number can prove a cut.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters separate words
const WORD = /[^\x00-\x20!"#$%&()*+,\-./:;<=>?@[\\\]^`{|}~]+/g;

/** The wanted context in tokens; throws ConfigurationError when it is none. */
export function checkNumCtx(numCtx: number | undefined): number | undefined {
  if (numCtx === undefined || (Number.isSafeInteger(numCtx) && numCtx > 0)) return numCtx;
  throw new ConfigurationError(
    `numCtx is ${numCtx}; expected a whole number of tokens above 0, for example 32768.`,
  );
}

/** What a model is called on the server when it runs with a context of its own. */
export function nameWithContext(model: string, numCtx: number | undefined): string {
  return numCtx === undefined ? model : `${model}-ctx${numCtx}`;
}

/**
 * Create that model on the server; it differs from the other only in its context.
 *
 * @throws NotFoundError when the server does not have the model. It would otherwise load it from
 *   far away, which may take an hour.
 */
export async function createModel(
  client: OpenAI,
  root: string,
  model: string,
  numCtx: number,
): Promise<void> {
  await client.post(`${root}/api/show`, { body: { model } });
  const name = nameWithContext(model, numCtx);
  const body = { model: name, from: model, parameters: { num_ctx: numCtx }, stream: false };
  await client.post(`${root}/api/create`, { body });
}

type Loaded = { models?: { name?: string; context_length?: number }[] };

/**
 * The context in tokens with which the server loaded the model, if it tells. A context below
 * 16,384 tokens is a warning.
 */
export async function loadedContext(
  client: OpenAI,
  root: string,
  model: string,
): Promise<number | undefined> {
  let loaded: Loaded;
  try {
    loaded = await client.get<Loaded>(`${root}/api/ps`, { timeout: 5_000, maxRetries: 0 });
  } catch (error) {
    if (!(error instanceof OpenAIError)) throw error;
    info('%s does not tell which models are loaded: %s', root, error.message);
    return undefined;
  }
  const names = [model, `${model}:latest`];
  const context = loaded.models?.find(({ name }) => names.includes(name ?? ''))?.context_length;
  if (context !== undefined && context < SMALL_CONTEXT) {
    warn(
      `Ollama at ${root} runs ${model} with a context of ${context} tokens, and it drops what ` +
        `does not fit. ${ROOM}.`,
      'TIMESTEP_SMALL_CONTEXT',
    );
  }
  return context;
}

/** How much a prompt is, at least in tokens (`words`) and at most (`letters`). */
export type Size = { words: number; letters: number };

/** What was sent to a model and what the server says it read and wrote. */
export type Measured = {
  model: string;
  prompt: Size;
  inputTokens: number;
  outputTokens: number;
  /** The context in tokens, or undefined where it is unknown and nothing can be said. */
  context: number | undefined;
};

/** Throw ModelBehaviorError when the model cannot have read or written everything. */
export function refuseCut({ model, prompt, inputTokens, outputTokens, context }: Measured): void {
  if (context === undefined || !inputTokens) return;
  if (prompt.words > inputTokens && prompt.letters > context) {
    throw new ModelBehaviorError(
      `Ollama cut the prompt: ${model} read ${inputTokens} tokens of at least ${prompt.words}; ` +
        `its context is ${context} tokens. ${ROOM}, or send less.`,
    );
  }
  if (inputTokens + outputTokens >= context) {
    throw new ModelBehaviorError(
      `The context of ${model} is full: ${inputTokens} tokens read and ${outputTokens} written ` +
        `of ${context}, so the answer may be cut. ${ROOM}, or send less.`,
    );
  }
}

/** How much the model is given. */
export function promptSize(instructions: string | undefined, input: ModelInput): Size {
  const texts = [instructions ?? '', ...textsOf(input)];
  return {
    words: texts.reduce((sum, text) => sum + (text.match(WORD)?.length ?? 0), 0),
    letters: texts.reduce((sum, text) => sum + text.length, 0),
  };
}

/** What templates put into a prompt; earlier thinking is left out by most of them. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== 'object' || value === null) return [];
  const item = value as Record<string, unknown>;
  if (item.type === 'reasoning') return [];
  return ['content', 'text', 'arguments', 'output'].flatMap((key) => textsOf(item[key]));
}
