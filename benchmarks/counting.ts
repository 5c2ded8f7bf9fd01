/**
 * An agent that counts: one trivial tool a turn, a model in this process that takes no time.
 *
 * Needs nothing but the Agents SDK, so that others can be measured with the very same work.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  Agent,
  type AgentInputItem,
  type AgentOutputItem,
  type Model,
  type ModelRequest,
  type ModelResponse,
  tool,
  Usage,
} from '@openai/agents';
import { z } from 'zod';

/** How the model answers. */
export interface Manner {
  /** Milliseconds that an answer takes. Default: 0. */
  latencyMs?: number;
  /** Called with the number of the answer before it is given. Default: nothing. */
  before?: (number: number) => Promise<void>;
}

/** Calls the tool until it has been asked so many times. */
export class CountingModel implements Model {
  readonly #turns: number;
  readonly #manner: Manner;

  /** @param turns How many answers there are; the last one is a text. */
  constructor(turns: number, manner: Manner = {}) {
    this.#turns = turns;
    this.#manner = manner;
  }

  async getResponse({ input }: ModelRequest): Promise<ModelResponse> {
    const number = turnOf(input);
    const { before, latencyMs } = this.#manner;
    await before?.(number);
    if (latencyMs) await sleep(latencyMs);
    const usage = new Usage({ requests: 1, inputTokens: 10, outputTokens: 1, totalTokens: 11 });
    return { output: [number === this.#turns ? text() : call(number)], usage };
  }

  getStreamedResponse(): never {
    throw new Error('the benchmarks do not stream');
  }
}

/** Which answer is asked for, from 1: the last tool output tells. */
function turnOf(given: string | AgentInputItem[]): number {
  const last = typeof given === 'string' ? undefined : given.at(-1);
  return last?.type === 'function_call_result' ? Number(last.callId.slice(1)) + 1 : 1;
}

const addOne = tool({
  name: 'add_one',
  description: '',
  parameters: z.object({ number: z.number() }),
  execute: async ({ number }) => String(number + 1),
});

/** An agent that ends after so many turns. */
export function counter(turns: number, manner?: Manner): Agent {
  return new Agent({
    name: `counter-${turns}`,
    instructions: 'Count.',
    model: new CountingModel(turns, manner),
    tools: [addOne],
  });
}

function call(number: number): AgentOutputItem {
  return {
    type: 'function_call',
    id: `fc_${number}`,
    callId: `c${number}`,
    name: 'add_one',
    arguments: `{"number":${number}}`,
    status: 'completed',
  };
}

function text(): AgentOutputItem {
  return {
    id: 'msg_done',
    type: 'message',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: 'done' }],
  };
}
