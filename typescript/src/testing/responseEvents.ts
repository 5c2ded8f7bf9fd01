/** The events in which OpenAI streams a response, in its order and numbering. */

import { type JsonObject, listOf, objectOf, textOf } from './json.ts';

/** One server-sent event. */
export function eventPiece(event: JsonObject): string {
  return `event: ${textOf(event.type)}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Where the streams of services differ. */
export interface EventForm {
  /** The arguments of a call come in one piece (false). */
  wholeArguments?: boolean;
  /** The parts of a summary are announced (true). */
  summaryParts?: boolean;
}

/** Every event of the finished response, from `response.created` to `response.completed`. */
export function responseEvents(response: JsonObject, form: EventForm = {}): JsonObject[] {
  const begun = { ...response, status: 'in_progress', completed_at: null, output: [], usage: null };
  const status = textOf(response.status);
  const events = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...listOf(response.output).flatMap((item, index) => itemEvents(objectOf(item), index, form)),
    { type: `response.${status}`, response },
  ];
  return events.map((event, index) => ({ ...event, sequence_number: index }));
}

function itemEvents(item: JsonObject, outputIndex: number, form: EventForm): JsonObject[] {
  const place = { item_id: item.id, output_index: outputIndex };
  const added = (begun: JsonObject) => ({
    type: 'response.output_item.added',
    output_index: outputIndex,
    item: { ...item, ...begun },
  });
  const done = { type: 'response.output_item.done', output_index: outputIndex, item };
  switch (item.type) {
    case 'message':
      return [added({ status: 'in_progress', content: [] }), ...contentEvents(item, place), done];
    case 'function_call':
      return [
        added({ status: 'in_progress', arguments: '' }),
        ...argumentEvents(item, place, form),
        done,
      ];
    case 'reasoning':
      return [
        added({ summary: [], ...(item.content ? { content: [] } : {}) }),
        ...summaryEvents(item, place, form),
        ...contentEvents(item, place),
        done,
      ];
    default:
      return [added({}), done];
  }
}

function contentEvents(item: JsonObject, place: JsonObject): JsonObject[] {
  return listOf(item.content).flatMap((value, contentIndex) => {
    const part = objectOf(value);
    const at = { ...place, content_index: contentIndex };
    const field = part.type === 'refusal' ? 'refusal' : 'text';
    const kind = `response.${textOf(part.type)}`;
    const logprobs = part.type === 'output_text' ? { logprobs: [] } : {};
    const full = textOf(part[field] ?? '');
    return [
      { type: 'response.content_part.added', ...at, part: { ...part, [field]: '' } },
      ...chunks(full).map((delta) => ({ type: `${kind}.delta`, ...at, delta, ...logprobs })),
      { type: `${kind}.done`, ...at, [field]: full, ...logprobs },
      { type: 'response.content_part.done', ...at, part },
    ];
  });
}

function argumentEvents(
  item: JsonObject,
  place: JsonObject,
  { wholeArguments = false }: EventForm,
): JsonObject[] {
  const { arguments: full, name } = item;
  const kind = 'response.function_call_arguments';
  const pieces = wholeArguments ? [textOf(full)] : chunks(textOf(full));
  return [
    ...pieces.map((delta) => ({ type: `${kind}.delta`, ...place, delta })),
    { type: `${kind}.done`, ...place, name, arguments: full },
  ];
}

function summaryEvents(
  item: JsonObject,
  place: JsonObject,
  { summaryParts = true }: EventForm,
): JsonObject[] {
  return listOf(item.summary).flatMap((value, summaryIndex) => {
    const part = objectOf(value);
    const at = { ...place, summary_index: summaryIndex };
    const text = textOf(part.text ?? '');
    const kind = 'response.reasoning_summary';
    const added = { type: `${kind}_part.added`, ...at, part: { ...part, text: '' } };
    const done = { type: `${kind}_part.done`, ...at, part };
    return [
      ...(summaryParts ? [added] : []),
      ...chunks(text).map((delta) => ({ type: `${kind}_text.delta`, ...at, delta })),
      { type: `${kind}_text.done`, ...at, text },
      ...(summaryParts ? [done] : []),
    ];
  });
}

const CHUNK_LENGTH = 8;
const MAXIMUM_CHUNKS = 64;

/** Pieces of about eight characters, never cut within a character, and never thousands of them. */
export function chunks(text: string): string[] {
  const characters = Array.from(text);
  const length = Math.max(CHUNK_LENGTH, Math.ceil(characters.length / MAXIMUM_CHUNKS));
  const count = Math.ceil(characters.length / length);
  return Array.from({ length: count }, (_, index) =>
    characters.slice(index * length, (index + 1) * length).join(''),
  );
}
