/** Begin a run, or approve what waits and go on: payer.ts begin|resume <session id> <model>. */

import { Agent, tool } from '@openai/agents';
import { RunStateStore, runAgent, Session } from '@timestep-ai/timestep';
import { z } from 'zod';

const [step, sessionId = '', model = ''] = process.argv.slice(2);
const pay = tool({
  name: 'pay',
  description: 'Pay an amount.',
  parameters: z.object({ amount: z.int() }),
  needsApproval: true,
  execute: async ({ amount }) => `paid ${amount}`,
});
const agent = new Agent({
  name: 'payer',
  model,
  tools: [pay],
  // A run whose thinking travels with it, as where OpenAI stores nothing.
  modelSettings: { store: false, providerData: { include: ['reasoning.encrypted_content'] } },
});
const session = new Session({ sessionId });
const store = new RunStateStore({ agent, sessionId });
const state = step === 'begin' ? undefined : await store.load();
for (const interruption of state?.getInterruptions() ?? []) state?.approve(interruption);
const result = await runAgent(agent, state ?? 'Pay twice.', session);
if (result.interruptions.length > 0) await store.save(result.state);
console.log(result.interruptions.length > 0 ? 'None' : result.finalOutput);
