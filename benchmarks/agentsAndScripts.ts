/** The agent of the benchmarks, and scripts that lead it to states of a given size. */

import { Agent, type RunState, tool } from '@openai/agents';
import { runAgent } from '@timestep-ai/timestep';
import { z } from 'zod';

const CALLS_PER_TURN = 20;

export type Step = { output: Record<string, unknown>[] };

const lookUp = tool({
  name: 'look_up',
  description: 'Return a text of the asked length, or the text.',
  parameters: z.object({ text: z.string() }),
  execute: async ({ text }) => (/^\d+$/.test(text) ? 'x'.repeat(Number(text)) : text),
});

const pay = tool({
  name: 'pay',
  description: 'Pay an order.',
  parameters: z.object({ order: z.string() }),
  needsApproval: true,
  execute: async ({ order }) => `paid ${order}`,
});

export const agent = new Agent({ name: 'assistant', model: 'gpt-4.1', tools: [lookUp, pay] });
export const done: Step = { output: [{ type: 'message', text: 'Done.' }] };
const ask: Step = {
  output: [{ type: 'function_call', name: 'pay', arguments: { order: '4711' } }],
};

/** Tell the scripted model what it answers next. */
export async function script(steps: Step[]): Promise<void> {
  const response = await fetch(`${process.env.TIMESTEP_BENCH_SERVER}/__script/bench`, {
    method: 'POST',
    body: JSON.stringify({ steps }),
  });
  if (!response.ok) throw new Error(await response.text());
}

/** A state of about so many items that waits for an approval. */
export async function paused(
  items: number,
  argument = 'hello',
): Promise<RunState<unknown, typeof agent>> {
  await script([...turns(items / 2, argument), ask]);
  const options = { maxTurns: null };
  const result = await runAgent(agent, 'Begin', undefined, false, undefined, undefined, options);
  return result.state;
}

/** Answers of the model with so many calls in all, a few in each. */
function turns(calls: number, argument: string): Step[] {
  const call = { type: 'function_call', name: 'look_up', arguments: { text: argument } };
  const sizes = Array.from({ length: Math.ceil(calls / CALLS_PER_TURN) }, (_, turn) =>
    Math.min(CALLS_PER_TURN, calls - turn * CALLS_PER_TURN),
  );
  return sizes.map((size) => ({ output: Array(size).fill(call) }));
}
