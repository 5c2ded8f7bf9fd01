/** One Ollama model: the SDK's own Responses model, and around it what Ollama needs. */

import {
  ModelBehaviorError,
  type ModelRequest,
  type ModelResponse,
  OpenAIResponsesModel,
  type StreamEvent,
  Usage,
  UserError,
} from '@openai/agents';
import type { OpenAI } from 'openai';
import { createModel, loadedContext, nameWithContext, promptSize, refuseCut } from './context.ts';
import { type Destination, isCloudName } from './destination.ts';
import { inOllamaWords, wholeAnswer } from './failures.ts';
import { forOllama, OwnIds } from './items.ts';
import { withPlainSchemas } from './schemas.ts';

type Finished = Extract<StreamEvent, { type: 'response_done' }>['response'];

/** A model behind Ollama's `/v1/responses`. */
export class OllamaModel extends OpenAIResponsesModel {
  readonly #destination: Destination;
  readonly #client: OpenAI;
  #toCreate: number | undefined;
  #context: number | undefined;
  #askedForContext: boolean;

  constructor(destination: Destination, client: OpenAI, numCtx?: number) {
    const inCloud = destination.cloud || isCloudName(destination.model);
    const wanted = inCloud ? undefined : numCtx;
    super(client, nameWithContext(destination.model, wanted));
    this.#destination = destination;
    this.#client = client;
    this.#toCreate = wanted;
    this.#askedForContext = destination.cloud;
  }

  /** The whole answer. It is read as a stream: Ollama's plain reply drops text. */
  override async getResponse(request: ModelRequest): Promise<ModelResponse> {
    let final: Finished | undefined;
    for await (const event of this.getStreamedResponse(request)) {
      if (event.type === 'response_done') final = event.response;
    }
    const { id, output, usage, rawUsage } = final as Finished;
    return {
      usage: new Usage(usage as ConstructorParameters<typeof Usage>[0]),
      output,
      responseId: id,
      ...(rawUsage ? { rawUsage } : {}),
    } as ModelResponse;
  }

  /**
   * The events of the answer.
   *
   * @throws UserError when the call asks for something that Ollama would silently ignore.
   * @throws ModelBehaviorError when the answer or the prompt was cut, or there is no final answer.
   */
  override async *getStreamedResponse(request: ModelRequest): AsyncGenerator<StreamEvent> {
    refuseStored(request);
    const input = forOllama(request.input);
    const events = super.getStreamedResponse(withPlainSchemas({ ...request, input }));
    const ids = new OwnIds();
    let finished = false;
    try {
      await this.#createModel();
      for await (const event of wholeAnswer(events as AsyncIterable<StreamEvent>)) {
        if (event.type === 'response_done') {
          finished = true;
          await this.#check(event.response, request);
        }
        yield ids.rename(event);
      }
    } catch (error) {
      throw inOllamaWords(error, this.#destination);
    }
    if (!finished) {
      throw new ModelBehaviorError(
        `${this._model} at ${this.#destination.root} stopped without a final answer; what it ` +
          'said so far does not count.',
      );
    }
  }

  async #createModel(): Promise<void> {
    if (this.#toCreate === undefined) return;
    const { root, model } = this.#destination;
    await createModel(this.#client, root, model, this.#toCreate);
    this.#toCreate = undefined;
  }

  async #check({ usage }: Finished, request: ModelRequest): Promise<void> {
    if (!this.#askedForContext) {
      this.#askedForContext = true;
      this.#context = await loadedContext(this.#client, this.#destination.root, this._model);
    }
    const { inputTokens, outputTokens } = usage;
    refuseCut({
      model: this._model,
      prompt: promptSize(request.systemInstructions, request.input),
      inputTokens,
      outputTokens,
      context: this.#context,
    });
    const { maxTokens } = request.modelSettings;
    if (maxTokens && outputTokens >= maxTokens) {
      throw new ModelBehaviorError(
        `The answer of ${this._model} reached maxTokens (${maxTokens}) and was cut there. ` +
          'Ollama calls such an answer complete.',
      );
    }
  }
}

function refuseStored({ previousResponseId, conversationId, prompt }: ModelRequest): void {
  for (const [name, value] of Object.entries({ previousResponseId, conversationId, prompt })) {
    if (value !== undefined) {
      throw new UserError(
        `${name} is set, and Ollama stores nothing: it would answer without that part of the ` +
          'conversation. Send the whole input, or use a session.',
      );
    }
  }
}
