/** Models whose answers are recorded, or taken from the record. */

import {
  type Model,
  type ModelProvider,
  type ModelRequest,
  type ModelResponse,
  type protocol,
  Usage,
} from '@openai/agents';
import type { NativeResponse } from '../runState/native.ts';
import type { Response } from '../runState/record.ts';
import { readResponses, writeResponses } from '../runState/responses.ts';
import { callCost } from './callCost.ts';
import type { Body, RecordedStep } from './journal.ts';
import { currentLoop, type Loop } from './loop.ts';
import { paced } from './rateLimit.ts';
import { modelName } from './registry.ts';

type StreamEvent = protocol.StreamEvent;

/** The caller's provider, whose models are recorded. */
class RecordedProvider implements ModelProvider {
  readonly #inner: ModelProvider;

  constructor(inner: ModelProvider) {
    this.#inner = inner;
  }

  async getModel(name?: string): Promise<Model> {
    return recordedModel(await this.#inner.getModel(name), name || 'default');
  }
}

/** The provider with its models recorded; outside of durable runs they are just those models. */
export function recordedProvider(provider: ModelProvider): ModelProvider {
  return provider instanceof RecordedProvider ? provider : new RecordedProvider(provider);
}

const recordings = new WeakSet<Model>();
const known = new WeakMap<Model, Map<string, Model>>();

/**
 * The model with its answers recorded; outside of durable runs it is just that model.
 *
 * @param name How the journal calls it. Default: what the model calls itself.
 */
export function recordedModel(model: Model, name = modelName(model)): Model {
  if (recordings.has(model)) return model;
  const byName = known.get(model) ?? new Map<string, Model>();
  known.set(model, byName);
  const recorded = byName.get(name) ?? new Proxy(model, new Recording(name));
  byName.set(name, recorded);
  recordings.add(recorded);
  return recorded;
}

/** Stands before a model: the model's own class and members, save for its two ways to answer. */
class Recording implements ProxyHandler<Model> {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  get(model: Model, property: string | symbol): unknown {
    if (property === 'getResponse') return (request: ModelRequest) => this.#answer(model, request);
    if (property === 'getStreamedResponse') {
      return (request: ModelRequest) => this.#stream(model, request);
    }
    const value: unknown = Reflect.get(model, property, model);
    // a method that got the proxy as `this` could not reach the model's private members
    return typeof value === 'function' && property !== 'constructor' ? value.bind(model) : value;
  }

  async #answer(model: Model, request: ModelRequest): Promise<ModelResponse> {
    const loop = currentLoop();
    if (!loop) return await model.getResponse(request);
    const recorded = recordedResponse(loop, request);
    if (recorded) return recorded;
    const startedAt = new Date();
    const response = await asked(loop, async () => {
      await using call = await paced(loop.execution.process, this.#name, request);
      const answer = await model.getResponse(request);
      call.used(answer.usage);
      return answer;
    });
    await record(loop, this.#name, model, response, startedAt);
    return response;
  }

  #stream(model: Model, request: ModelRequest): AsyncIterable<StreamEvent> {
    const loop = currentLoop();
    return loop ? this.#recordedStream(loop, model, request) : model.getStreamedResponse(request);
  }

  async *#recordedStream(
    loop: Loop,
    model: Model,
    request: ModelRequest,
  ): AsyncIterable<StreamEvent> {
    const recorded = recordedResponse(loop, request);
    if (recorded) {
      yield doneEvent(recorded);
      return;
    }
    const startedAt = new Date();
    const key = loop.nextModelKey();
    try {
      await using call = await paced(loop.execution.process, this.#name, request);
      for await (const event of model.getStreamedResponse(request)) {
        if (event.type === 'response_done') {
          const response = streamedResponse(event);
          call.used(response.usage);
          await record(loop, this.#name, model, response, startedAt);
        }
        yield event;
      }
    } finally {
      loop.journal.forgetQuestion(key);
    }
  }
}

/** The response of a recorded model call. */
export function responseOf({ body }: RecordedStep): ModelResponse {
  const [native] = readResponses([body as unknown as Response], [], new Map());
  const { usage, ...response } = native as NativeResponse;
  return { ...response, usage: new Usage(usage as never) } as unknown as ModelResponse;
}

function recordedResponse(loop: Loop, { signal }: ModelRequest): ModelResponse | undefined {
  signal?.throwIfAborted();
  const asking = { agent: loop.agent, name: '' };
  const step = loop.journal.answer(loop.nextModelKey(), asking);
  if (!step) return undefined;
  loop.ordinal += 1;
  return responseOf(step);
}

/** Asks the model; when it fails, its call may be made again. */
async function asked<T>(loop: Loop, ask: () => Promise<T>): Promise<T> {
  const key = loop.nextModelKey();
  try {
    return await ask();
  } catch (error) {
    loop.journal.forgetQuestion(key);
    throw error;
  }
}

async function record(
  loop: Loop,
  name: string,
  model: Model,
  response: ModelResponse,
  startedAt: Date,
): Promise<void> {
  const { inputTokens, outputTokens, totalTokens } = response.usage;
  const [body] = writeResponses([response as unknown as NativeResponse], []);
  await loop.journal.record(
    {
      key: loop.nextModelKey(),
      kind: 'model',
      agent: loop.agent,
      name,
      body: body as unknown as Body,
      tokens: [inputTokens, outputTokens, totalTokens],
      cost: callCost(name, model, response.usage),
    },
    startedAt,
  );
  loop.ordinal += 1;
}

/** What the SDK makes of the last event of a stream. */
function streamedResponse({ response }: protocol.StreamEventResponseCompleted): ModelResponse {
  const { id, requestId, usage, output } = response;
  return {
    output,
    usage: new Usage(usage as never),
    responseId: id,
    ...(requestId !== undefined && { requestId }),
  };
}

function doneEvent({ responseId = '', requestId, usage, output }: ModelResponse): StreamEvent {
  const { inputTokens, outputTokens, totalTokens, requests } = usage;
  const details = {
    inputTokensDetails: usage.inputTokensDetails,
    outputTokensDetails: usage.outputTokensDetails,
  };
  return {
    type: 'response_done',
    response: {
      id: responseId,
      ...(requestId !== undefined && { requestId }),
      usage: { requests, inputTokens, outputTokens, totalTokens, ...details },
      output,
    },
  } as StreamEvent;
}
