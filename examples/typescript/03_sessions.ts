/**
 * One conversation over several programs, in either language.
 *
 * node 03_sessions.ts ada "My name is Ada."
 * python 03_sessions.py ada "What is my name?"
 */

import { Agent } from '@openai/agents';
import { runAgent, Session } from '@timestep-ai/timestep';

const agent = new Agent({ name: 'assistant', model: 'gpt-4.1' });

const [sessionId, text = 'Hello'] = process.argv.slice(2);
const session = new Session({ sessionId });
const known = (await session.getItems()).length;
console.log(`${known} items are in the conversation.`);
const result = await runAgent(agent, text, session);
console.log(result.finalOutput);
