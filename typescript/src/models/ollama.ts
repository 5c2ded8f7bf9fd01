/** Ollama as a model provider: local servers and Ollama Cloud. */

import type { Model, ModelProvider } from '@openai/agents';
import { OpenAI } from 'openai';
import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';
import { patientFetch } from './connections.ts';
import { checkNumCtx } from './context.ts';
import { type Destination, findDestination, parseHost } from './destination.ts';
import { OllamaModel } from './ollamaModel.ts';

export type OllamaModelProviderOptions = {
  /**
   * A key of Ollama Cloud: all models then run there, unless `baseURL` is given, which then gets
   * the key. An empty one counts as none (none).
   */
  apiKey?: string | undefined;
  /**
   * The host that serves every model, for example "http://gpu-box:11434"; a path such as "/v1"
   * may follow (none).
   */
  baseURL?: string | undefined;
  /**
   * The context in tokens with which local models are run. The server keeps a variant of the
   * model for it, named like "qwen3-ctx32768". Models in Ollama Cloud always have their full
   * context (the server's choice, often 4096).
   */
  numCtx?: number | undefined;
  /** A client to call through, in place of `apiKey` and `baseURL` (none). */
  client?: OpenAI | undefined;
};

/**
 * Models that run at Ollama, on this machine, on another host or in Ollama Cloud.
 *
 * Without options a model runs at OLLAMA_HOST or else at http://localhost:11434, and one whose
 * name ends in `-cloud` or `:cloud` runs in Ollama Cloud with the key in OLLAMA_API_KEY. Nothing
 * is opened before the first call.
 */
export class OllamaModelProvider implements ModelProvider {
  readonly #options: OllamaModelProviderOptions;
  readonly #clients = new Map<string, OpenAI>();
  readonly #models = new Map<string, OllamaModel>();

  /** @throws ConfigurationError when an option cannot be used as given. */
  constructor(options: OllamaModelProviderOptions = {}) {
    const { apiKey, baseURL, numCtx, client } = options;
    if (client && (apiKey || baseURL)) {
      throw new ConfigurationError('Pass either client or apiKey and baseURL, not both.');
    }
    if (baseURL) parseHost(baseURL, 'baseURL');
    checkNumCtx(numCtx);
    this.#options = options;
  }

  /**
   * The model with this name.
   *
   * @param modelName - For example "gpt-oss:20b", or "gpt-oss:20b-cloud" for Ollama Cloud.
   * @param options - `keyMeansCloud`: whether `apiKey` alone sends a plain name to Ollama Cloud.
   *   A MultiModelProvider passes false: there the suffix alone decides (true).
   * @throws UserError when there is no name, or no key for Ollama Cloud.
   * @throws ConfigurationError when OLLAMA_HOST cannot be read.
   */
  getModel(modelName?: string, { keyMeansCloud = true } = {}): Model {
    const { client, numCtx } = this.#options;
    const destination = findDestination(modelName, {
      apiKey: client ? (client.apiKey ?? undefined) : this.#options.apiKey,
      baseURL: client ? client.baseURL : this.#options.baseURL,
      keyMeansCloud,
    });
    const where = JSON.stringify(destination);
    const known = this.#models.get(where);
    if (known) return known;
    const model = new OllamaModel(destination, client ?? this.#clientFor(destination), numCtx);
    this.#models.set(where, model);
    return model;
  }

  #clientFor({ root, key }: Destination): OpenAI {
    const where = JSON.stringify([root, key]);
    const client =
      this.#clients.get(where) ??
      new OpenAI({
        baseURL: `${root}/v1`,
        apiKey: key,
        adminAPIKey: null,
        organization: null,
        project: null,
        defaultHeaders: ownHeaders(key),
        fetch: patientFetch,
      });
    this.#clients.set(where, client);
    return client;
  }
}

/** Keep what the environment says about OpenAI away from Ollama's hosts. */
function ownHeaders(key: string): Record<string, string | null> {
  const lines = (text('OPENAI_CUSTOM_HEADERS') ?? '').split('\n');
  const names = lines
    .filter((line) => line.includes(':'))
    .map((line) => line.split(':')[0]?.trim());
  const unset = Object.fromEntries(names.map((name) => [name, null]));
  return { ...unset, Authorization: `Bearer ${key}` };
}
