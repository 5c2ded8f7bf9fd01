/**
 * An agent that asks before it pays. Run it, and answer the question.
 *
 * node 01_approval.ts
 */

import { createInterface } from 'node:readline';
import { Agent, tool } from '@openai/agents';
import { RunStateStore, runAgent, Session } from '@timestep-ai/timestep';
import { z } from 'zod';

const sendRefund = tool({
  name: 'send_refund',
  description: 'Pay money back to the customer of an order.',
  parameters: z.object({ order: z.string(), amount: z.number() }),
  needsApproval: true,
  execute: async ({ order, amount }) => {
    console.log(`Paying ${amount} for order ${order}.`);
    return `Refunded ${amount} for order ${order}.`;
  },
});

const agent = new Agent({
  name: 'assistant',
  model: 'gpt-4.1',
  instructions: 'You handle refunds. Use the tool; do not ask back.',
  tools: [sendRefund],
});

const terminal = createInterface({ input: process.stdin });
const answers = terminal[Symbol.asyncIterator]();

const session = new Session();
const store = new RunStateStore({ agent, sessionId: session.sessionId });

let result = await runAgent(agent, 'Please refund 25 for order 4711.', session);
while (result.interruptions.length > 0) {
  await store.save(result.state);
  const state = await store.load();
  for (const call of state.getInterruptions()) {
    console.log(`The agent wants to call ${call.name} with ${call.arguments}. Allow it? [y/N]`);
    const { value: answer = '' } = await answers.next();
    if (answer.trim().toLowerCase() === 'y') state.approve(call);
    else state.reject(call, { message: 'The customer service said no.' });
  }
  result = await runAgent(agent, state, session);
}
terminal.close();
console.log(result.finalOutput);
