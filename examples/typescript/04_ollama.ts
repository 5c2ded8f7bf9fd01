/**
 * An agent on a model at Ollama, on this machine or in the cloud.
 *
 * node 04_ollama.ts ollama/gpt-oss:20b            local; first: ollama pull gpt-oss:20b
 * node 04_ollama.ts ollama/gpt-oss:20b-cloud      Ollama Cloud; needs OLLAMA_API_KEY
 */

import { Agent, tool } from '@openai/agents';
import { runAgent } from '@timestep-ai/timestep';
import { z } from 'zod';

const weather = tool({
  name: 'weather',
  description: 'Tell the weather in a city.',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `It rains in ${city}.`,
});

const agent = new Agent({
  name: 'assistant',
  model: process.argv[2] ?? 'ollama/gpt-oss:20b',
  modelSettings: { temperature: 0.2 }, // Ollama's own is 1.0
  tools: [weather],
});

const result = await runAgent(agent, 'Do I need an umbrella in Lyon?');
console.log(result.finalOutput);
const { usage } = result.state;
console.log(`${usage.requests} requests, ${usage.totalTokens} tokens`);
