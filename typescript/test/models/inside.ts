/** What a made model would call: the client and the name are the SDK's protected fields. */

import type { Model } from '@openai/agents';
import type { OpenAI } from 'openai';

type Inside = { _client: OpenAI; _model: string };

export function inside(model: Model): { client: OpenAI; model: string } {
  const { _client, _model } = ('called' in model ? model.called : model) as Inside;
  return { client: _client, model: _model };
}
