/**
 * Ask a small model first, and a large one when the answer cannot be used.
 *
 * node 05_fallback.ts                         local Ollama, then OpenAI
 */

import { Agent, ModelBehaviorError } from '@openai/agents';
import { runAgent } from '@timestep-ai/timestep';
import { z } from 'zod';

const MODELS = ['ollama/gpt-oss:20b', 'gpt-4.1'];

const Refund = z.object({ order: z.string(), amount: z.number() });
type Refund = z.infer<typeof Refund>;

/** What the letter asks for, by the first model that understands it. */
async function readRefund(letter: string): Promise<Refund | undefined> {
  const agent = new Agent({
    name: 'reader',
    instructions: 'What is to be refunded?',
    outputType: Refund,
  });
  for (const model of MODELS.slice(0, -1)) {
    try {
      return (await runAgent(agent.clone({ model }), letter)).finalOutput;
    } catch (error) {
      if (!(error instanceof ModelBehaviorError)) throw error;
      console.log(`${model} gave no usable answer.`);
    }
  }
  return (await runAgent(agent.clone({ model: MODELS.at(-1) ?? '' }), letter)).finalOutput;
}

const refund = await readRefund('Please pay back the 25 for my order 4711. Ada');
console.log(`Order ${refund?.order}: ${refund?.amount}`);
