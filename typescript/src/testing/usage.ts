/** Token counts: as the script says, the rest derived from the step, never from the clock. */

import { type OutputItem, spokenText } from './items.ts';
import { type JsonObject, objectOf } from './json.ts';

const CHARACTERS_PER_TOKEN = 4;
const TOKENS_PER_INPUT_ITEM = 10;

export interface Usage extends JsonObject {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

/** Completes what a step says of its usage; `inputItems` is the length of the request's input. */
export function completeUsage(
  given: JsonObject | undefined,
  inputItems: number,
  output: OutputItem[],
): Usage {
  const thought = tokens(spokenText(output, true));
  const input = number(given?.input_tokens, TOKENS_PER_INPUT_ITEM * inputItems);
  const spoken = number(given?.output_tokens, thought + tokens(spokenText(output, false)));
  const inputDetails = objectOf(given?.input_tokens_details);
  const outputDetails = objectOf(given?.output_tokens_details);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: number(inputDetails.cached_tokens, 0),
      cache_write_tokens: number(inputDetails.cache_write_tokens, 0),
    },
    output_tokens: spoken,
    output_tokens_details: { reasoning_tokens: number(outputDetails.reasoning_tokens, thought) },
    total_tokens: number(given?.total_tokens, input + spoken),
  };
}

function tokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
