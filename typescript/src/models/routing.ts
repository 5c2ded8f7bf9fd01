/** Which provider a model's name means. */

import {
  type Model,
  type ModelProvider,
  type ModelRequest,
  type ModelResponse,
  type ModelRetryAdvice,
  type ModelRetryAdviceRequest,
  OpenAIProvider,
  OpenAIResponsesModel,
  type StreamEvent,
  UserError,
} from '@openai/agents';
import type { OpenAI } from 'openai';
import { waitPatiently } from './connections.ts';
import { asBrokenAnswer, wholeAnswer } from './failures.ts';
import { forOpenAI } from './items.ts';
import { OllamaModelProvider } from './ollama.ts';
import { OllamaModel } from './ollamaModel.ts';

/** Prefixes of model names and the providers they stand for. */
export class MultiModelProviderMap {
  #mapping = new Map<string, ModelProvider>();

  hasPrefix(prefix: string): boolean {
    return this.#mapping.has(prefix);
  }

  /** A copy of the mapping. */
  getMapping(): Map<string, ModelProvider> {
    return new Map(this.#mapping);
  }

  setMapping(mapping: Map<string, ModelProvider>): void {
    this.#mapping = mapping;
  }

  getProvider(prefix: string): ModelProvider | undefined {
    return this.#mapping.get(prefix);
  }

  addProvider(prefix: string, provider: ModelProvider): void {
    this.#mapping.set(prefix, provider);
  }

  removeProvider(prefix: string): void {
    this.#mapping.delete(prefix);
  }
}

export type MultiModelProviderOptions = {
  /** Providers by prefix (none). */
  provider_map?: MultiModelProviderMap | undefined;
  /** An empty key counts as none (OPENAI_API_KEY). */
  openai_api_key?: string | undefined;
  /** An empty address counts as none (OPENAI_BASE_URL). */
  openai_base_url?: string | undefined;
  /** A client for OpenAI's models, in place of key and address (none). */
  openai_client?: OpenAI | undefined;
  /** The organization that OpenAI bills (OPENAI_ORG_ID). */
  openai_organization?: string | undefined;
  /** The project that OpenAI bills (OPENAI_PROJECT_ID). */
  openai_project?: string | undefined;
  /** Whether OpenAI's models use the Responses API (true). */
  openai_use_responses?: boolean | undefined;
};

/**
 * Models of several providers, chosen by the prefix of the name.
 *
 * No prefix and `openai/` mean OpenAI, `ollama/` means Ollama, and the map may hold any other
 * prefix or another provider for one of these. Only the first slash ends a prefix. Whether an
 * `ollama/` model runs locally or in Ollama Cloud is decided by its suffix alone.
 */
export class MultiModelProvider implements ModelProvider {
  readonly #map: MultiModelProviderMap | undefined;
  readonly #openai: OpenAIProvider;
  readonly #ollama = new OllamaModelProvider();
  readonly #client: OpenAI | undefined;
  readonly #wrapped = new WeakMap<Model, Model>();

  /** Nothing is opened before the first call. */
  constructor(options: MultiModelProviderOptions = {}) {
    this.#map = options.provider_map;
    this.#client = options.openai_client;
    const given = {
      apiKey: options.openai_api_key,
      baseURL: options.openai_base_url,
      openAIClient: options.openai_client,
      organization: options.openai_organization,
      project: options.openai_project,
      useResponses: options.openai_use_responses,
    };
    const set = Object.entries(given).filter(([, value]) => value !== undefined && value !== '');
    this.#openai = new OpenAIProvider(Object.fromEntries(set));
  }

  /**
   * The model with this name; no name or an empty one is OpenAI's default.
   *
   * @throws UserError when the prefix is unknown, or there is nothing behind it.
   */
  async getModel(modelName?: string): Promise<Model> {
    const [, prefix, name] = /^(.*?)\/(.*)$/s.exec(modelName ?? '') ?? [];
    if (prefix === undefined) return this.#fromOpenAI(modelName);
    if (!name) throw new UserError(`'${modelName}' names no model: write one behind the slash.`);
    const provider = this.#map?.getProvider(prefix) ?? this.#builtIn(prefix);
    if (provider === this.#openai) return this.#fromOpenAI(name);
    if (provider instanceof OllamaModelProvider) {
      return provider.getModel(name, { keyMeansCloud: false });
    }
    if (provider) return this.#withoutOllamaItems(await provider.getModel(name));
    const known = new Set(['ollama', 'openai', ...(this.#map?.getMapping().keys() ?? [])]);
    throw new UserError(
      `Unknown prefix '${prefix}' in the model name '${modelName}'; known are ` +
        `${[...known].sort().join(', ')}. Add others with addProvider of the provider_map.`,
    );
  }

  async #fromOpenAI(name: string | undefined): Promise<Model> {
    return this.#withoutOllamaItems(await this.#openai.getModel(name));
  }

  #withoutOllamaItems(model: Model): Model {
    if (!(model instanceof OpenAIResponsesModel) || model instanceof OllamaModel) return model;
    const known = this.#wrapped.get(model);
    if (known) return known;
    waitPatiently(model, this.#client);
    const wrapped = new OpenAIModel(model);
    this.#wrapped.set(model, wrapped);
    return wrapped;
  }

  #builtIn(prefix: string): ModelProvider | undefined {
    return { openai: this.#openai, ollama: this.#ollama }[prefix];
  }
}

/** A model behind OpenAI's Responses API that is shown nothing of Ollama's. */
class OpenAIModel implements Model {
  /** The model that is called. */
  readonly called: OpenAIResponsesModel;
  readonly supportsPromptModelSelection: boolean;

  constructor(model: OpenAIResponsesModel) {
    this.called = model;
    this.supportsPromptModelSelection = model.supportsPromptModelSelection;
  }

  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    try {
      return await this.called.getResponse({ ...request, input: forOpenAI(request.input) });
    } catch (error) {
      throw asBrokenAnswer(error);
    }
  }

  getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
    const shown = { ...request, input: forOpenAI(request.input) };
    return wholeAnswer(this.called.getStreamedResponse(shown) as AsyncIterable<StreamEvent>);
  }

  getRetryAdvice(args: ModelRetryAdviceRequest): ModelRetryAdvice | undefined {
    return this.called.getRetryAdvice(args);
  }
}
