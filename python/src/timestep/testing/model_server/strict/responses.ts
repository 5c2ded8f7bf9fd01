/** What `POST /v1/responses` refuses. */

import type { JsonObject } from '../json.ts';
import { Refusal } from '../refusal.ts';
import type { Script } from '../scripts.ts';
import { checkShape, type Shape } from './shape.ts';

const REQUEST: Shape = {
  access_programs: 'object?',
  background: 'flag~',
  background_options: 'object?',
  context_management: 'list~',
  conversation: 'text|object~',
  image: 'object?',
  include: 'list~',
  input: 'text|list?',
  instructions: 'text~',
  max_output_tokens: 'number~',
  max_tool_calls: 'number~',
  metadata: 'object~',
  model: 'text?',
  moderation: 'object~',
  parallel_tool_calls: 'flag~',
  previous_response_id: 'text~',
  prompt: 'object~',
  prompt_cache_key: 'text?',
  prompt_cache_options: 'object?',
  prompt_cache_retention: 'text~',
  reasoning: 'object~',
  safety_identifier: 'text?',
  service_tier: 'text~',
  store: 'flag~',
  stream: 'flag~',
  stream_options: 'object~',
  temperature: 'number~',
  text: 'object?',
  tool_choice: 'text|object?',
  tools: 'list?',
  top_logprobs: 'number~',
  top_p: 'number~',
  truncation: 'text~',
  user: 'text?',
};

export function checkResponsesRequest(body: JsonObject, _script: Script): void {
  checkShape(body, REQUEST, '');
  if (!body.model && !body.prompt) {
    throw new Refusal("Missing required parameter: 'model'.", {
      code: 'missing_required_parameter',
      param: 'model',
    });
  }
}
