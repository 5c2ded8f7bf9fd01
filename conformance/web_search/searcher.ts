/** Pause before a web search, or go on from the pause: searcher.ts pause|resume <session id>. */

import { Agent } from '@openai/agents';
import { RunStateStore, runAgent, Session, webSearch } from '@timestep-ai/timestep';

const [step, sessionId = ''] = process.argv.slice(2);
const agent = new Agent({
  name: 'researcher',
  model: 'gpt-4.1',
  tools: [{ ...webSearch, needsApproval: async () => true }],
});
const session = new Session({ sessionId });
const store = new RunStateStore({ agent, sessionId });

if (step === 'pause') {
  const result = await runAgent(agent, 'When is high tide?', session);
  await store.save(result.state);
  console.log(result.interruptions.length);
} else {
  const state = await store.load();
  for (const interruption of state.getInterruptions()) state.approve(interruption);
  console.log((await runAgent(agent, state, session)).finalOutput);
}
