/** The Ollama that one script stands for: its version, its models, what is loaded and derived. */

import { deterministicId } from './ids.ts';
import { type Json, type JsonObject, objectOf } from './json.ts';

/** How the Ollama behaves. */
export interface OllamaOptions {
  /** The version that it reports ("0.33.0"); before 0.13.3 there is no `/v1/responses`. */
  version?: string;
  /** The models that it has (every name that is asked for). */
  models?: OllamaModel[];
  /** The context of a model that names none, in tokens (4096, as on a small machine). */
  context_length?: number;
  /** Whether the daemon is signed in to Ollama Cloud; if not, cloud models are refused (false). */
  signed_in?: boolean;
}

export interface OllamaModel {
  name: string;
  /** The context that its Modelfile asks for, in tokens. */
  context_length?: number;
  /** False: a request for reasoning effort is refused, as by a model that cannot think (true). */
  thinking?: boolean;
}

const DEFAULT_VERSION = '0.33.0';
const DEFAULT_CONTEXT = 4096;
const FIRST_WITH_RESPONSES = [0, 13, 3];
const DETAILS = {
  parent_model: '',
  format: 'gguf',
  family: 'llama',
  families: ['llama'],
  parameter_size: '3.2B',
  quantization_level: 'Q4_K_M',
};

export class OllamaState {
  readonly version: string;
  readonly #options: OllamaOptions;
  readonly #derived = new Map<string, OllamaModel>();
  readonly #loaded = new Set<string>();

  constructor(options: OllamaOptions) {
    this.#options = options;
    this.version = options.version ?? DEFAULT_VERSION;
  }

  get hasResponses(): boolean {
    const numbers = this.version.split('.').map(Number);
    const differs = FIRST_WITH_RESPONSES.findIndex((number, index) => numbers[index] !== number);
    return differs < 0 || (numbers[differs] ?? 0) > (FIRST_WITH_RESPONSES[differs] ?? 0);
  }

  /** The model of this name, or undefined: then it must be pulled first. */
  model(name: string): OllamaModel | undefined {
    const wanted = fullName(name);
    const derived = this.#derived.get(wanted);
    if (derived) return derived;
    const { models } = this.#options;
    if (!models) return { name: wanted };
    return models.find((model) => fullName(model.name) === wanted);
  }

  isDerived(name: string): boolean {
    return this.#derived.has(fullName(name));
  }

  /** True when the name is a cloud model's, and the daemon may not pass it on. */
  refusesCloud(name: string): boolean {
    return /[-:]cloud$/i.test(name) && this.#options.signed_in !== true;
  }

  contextLength(model: OllamaModel): number {
    return model.context_length ?? this.#options.context_length ?? DEFAULT_CONTEXT;
  }

  /** Makes a model from another one; false when there is no such other one. */
  derive(name: string, from: string, parameters: JsonObject): boolean {
    const base = this.model(from);
    if (!base) return false;
    const context = parameters.num_ctx;
    const own = typeof context === 'number' ? { context_length: context } : {};
    this.#derived.set(fullName(name), { ...base, ...own, name: fullName(name) });
    return true;
  }

  load(model: OllamaModel): void {
    this.#loaded.add(model.name);
  }

  /** What `/api/tags` lists. */
  listed(): JsonObject[] {
    return [...(this.#options.models ?? []), ...this.#derived.values()].map((model) => ({
      ...described(fullName(model.name)),
      modified_at: '2026-01-01T00:00:00Z',
    }));
  }

  /** What `/api/ps` lists: the models that have answered. */
  running(): JsonObject[] {
    return [...this.#loaded].map((name) => ({
      ...described(fullName(name)),
      expires_at: '2036-01-01T00:00:00Z',
      size_vram: 0,
      context_length: this.contextLength(this.model(name) ?? { name }),
    }));
  }

  /**
   * How many tokens of the prompt the model sees. Ollama drops the oldest messages without a word
   * until the rest fits; a single one that does not fit is cut to half of the context.
   */
  tokensSeen(model: OllamaModel, messages: Json[]): number {
    const context = this.contextLength(model);
    const [first, ...rest] = messages.map((message) => ({
      tokens: Math.ceil(JSON.stringify(message).length / 4),
      kept: ['system', 'developer'].includes(String(objectOf(message).role)),
    }));
    const system = first?.kept ? first.tokens : 0;
    const turns = first && !first.kept ? [first, ...rest] : rest;
    let seen = turns.reduce((sum, turn) => sum + turn.tokens, system);
    for (const turn of turns.slice(0, -1)) {
      if (seen <= context) return seen;
      seen -= turn.tokens;
    }
    return seen <= context ? seen : Math.floor(context / 2) + 2;
  }
}

/** `llama3` is short for `llama3:latest`. */
export function fullName(name: string): string {
  return name.includes(':') ? name : `${name}:latest`;
}

function described(name: string): JsonObject {
  const digest = deterministicId('digest', name).slice('digest_'.length).repeat(2);
  return { name, model: name, size: 2_019_393_189, digest, details: DETAILS };
}
