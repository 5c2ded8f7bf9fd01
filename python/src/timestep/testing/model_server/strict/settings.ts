/** Settings that every API of OpenAI has. */

import { type JsonObject, objectOf } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { wrongType } from './shape.ts';

/** Metadata are texts, under names. */
export function checkMetadata(body: JsonObject): void {
  for (const [name, value] of Object.entries(objectOf(body.metadata))) {
    if (typeof value !== 'string') throw wrongType(`metadata.${name}`, 'text', value ?? null);
  }
}

export function checkStreamOptions(body: JsonObject): void {
  if (!body.stream_options || body.stream === true) return;
  throw new Refusal("'stream_options' is only allowed together with 'stream'.", {
    param: 'stream_options',
  });
}
