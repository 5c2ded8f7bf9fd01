/**
 * Start a run in one language, approve and end it in the other.
 *
 * node 02_cross_language.ts start           prints a session id
 * node 02_cross_language.ts resume <id>     or: python 02_cross_language.py resume <id>
 */

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

const agent = new Agent({ name: 'assistant', model: 'gpt-4.1', tools: [sendRefund] });

async function start(): Promise<void> {
  const session = new Session();
  const result = await runAgent(agent, 'Please refund 25 for order 4711.', session);
  if (result.interruptions.length === 0) {
    console.log(result.finalOutput);
    return;
  }
  const store = new RunStateStore({ agent, sessionId: session.sessionId });
  await store.save(result.state);
  for (const call of result.interruptions) console.log(`Waiting: ${call.name} ${call.arguments}`);
  console.log(`Resume with: ${session.sessionId}`);
}

async function resume(sessionId: string): Promise<void> {
  const store = new RunStateStore({ agent, sessionId });
  const state = await store.load();
  for (const call of state.getInterruptions()) {
    console.log(`Approving: ${call.name} ${call.arguments}`);
    state.approve(call);
  }
  const result = await runAgent(agent, state, new Session({ sessionId }));
  console.log(result.finalOutput);
}

const [command, sessionId] = process.argv.slice(2);
if (command === 'start') await start();
else if (command === 'resume' && sessionId) await resume(sessionId);
else throw new Error('node 02_cross_language.ts start | resume <id>');
