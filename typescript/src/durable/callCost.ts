/** What a recorded model call cost. */

import type { Model, Usage } from '@openai/agents';
import { type Price, price } from '../models/cost.ts';
import { isCloudName } from '../models/destination.ts';
import { modelName } from './registry.ts';

/**
 * What a call cost, by the price table of the day.
 *
 * @param name - The model's name as the journal has it.
 * @param model - The model, which is asked for its name where the agent gave none.
 */
export function callCost(name: string, model: Model, usage: Usage): Price {
  const { provider, id } = routed(name === 'default' ? modelName(model) : name);
  return price(provider, id, {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedTokens: usage.inputTokensDetails.reduce(
      (sum, { cached_tokens = 0 }) => sum + cached_tokens,
      0,
    ),
    local: provider === 'ollama' && !isCloudName(id),
  });
}

function routed(name: string): { provider: string; id: string } {
  const slash = name.indexOf('/');
  if (slash < 0) return { provider: 'openai', id: name };
  return { provider: name.slice(0, slash), id: name.slice(slash + 1) };
}
