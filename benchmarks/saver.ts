/** A process that opens the database and saves SAVES states, for processes.py. */

import { Agent, RunContext, RunState } from '@openai/agents';
import { RunStateStore, Session } from '@timestep-ai/timestep';

const agent = new Agent({ name: 'assistant' });
const [, , me] = process.argv;
await new Session().getItems();
for (let n = 0; n < Number(process.env.SAVES); n += 1) {
  const state = new RunState(new RunContext({}), `input ${n}`, agent, 10);
  await new RunStateStore({ agent, sessionId: `${me}-${n}` }).save(state);
}
