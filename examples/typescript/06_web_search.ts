/**
 * An agent that searches the web. Needs FIRECRAWL_API_KEY.
 *
 * node 06_web_search.ts "How high is Mont Blanc?"
 */

import { Agent } from '@openai/agents';
import { runAgent, webSearch } from '@timestep-ai/timestep';

const agent = new Agent({
  name: 'researcher',
  model: 'gpt-4.1',
  instructions: 'Search before you answer, and name your source.',
  tools: [webSearch],
});

const result = await runAgent(agent, process.argv[2] ?? 'How high is Mont Blanc?');
for (const item of result.newItems) {
  if (item.type === 'tool_call_output_item') console.log(`${item.output}\n`);
}
console.log(result.finalOutput);
