/**
 * What one provider's items may show to another, so that a run can change provider half-way.
 *
 * OpenAI's reasoning is a ciphertext that Ollama would read aloud as thinking, and Ollama's item
 * ids repeat from one answer to the next. Therefore every item that Ollama writes gets an id that
 * is unique and tells where it comes from, and each side is sent only what is its own.
 */

import { randomUUID } from 'node:crypto';
import { type AgentInputItem, type StreamEvent, UserError } from '@openai/agents';

export type ModelInput = string | AgentInputItem[];

const OWN = '_ollama_';
const READABLE = new Set(['message', 'function_call', 'function_call_result']);

/**
 * The input without other providers' reasoning and ids.
 *
 * @throws UserError when an item is of a kind that Ollama cannot read.
 */
export function forOllama(input: ModelInput): ModelInput {
  if (typeof input === 'string') return input;
  const kept = input.filter((item) => isOwn(item) || !isDroppable(item));
  for (const item of kept) {
    const kind = item.type ?? 'message';
    if (!READABLE.has(kind) && !isOwn(item)) {
      throw new UserError(
        `Ollama cannot read the '${kind}' item in this conversation. Continue it with the ` +
          'provider that wrote the item, or take the item out of the input.',
      );
    }
  }
  return kept.map((item) => readable(isOwn(item) ? item : withoutId(item)));
}

/** The item; malformed arguments of a call, which Ollama refuses, become a text. */
function readable(item: AgentInputItem): AgentInputItem {
  if (item.type !== 'function_call' || isObject(item.arguments || '{}')) return item;
  return { ...item, arguments: JSON.stringify({ malformed: item.arguments }) };
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** The input without Ollama's reasoning and ids. */
export function forOpenAI(input: ModelInput): ModelInput {
  if (typeof input === 'string') return input;
  return input
    .filter((item) => !(isOwn(item) && item.type === 'reasoning'))
    .map((item) => (isOwn(item) ? withoutId(item) : item));
}

function isOwn(item: AgentInputItem): boolean {
  return typeof item.id === 'string' && item.id.includes(OWN);
}

/** Thinking of others, and the note that a search took place, whose result follows as text. */
function isDroppable(item: AgentInputItem): boolean {
  if (item.type === 'reasoning') return true;
  return item.type === 'hosted_tool_call' && item.name === 'web_search_call';
}

function withoutId(item: AgentInputItem): AgentInputItem {
  const { id: _, ...rest } = item;
  return rest as AgentInputItem;
}

/** Gives the items of one answer ids that no other answer has. */
export class OwnIds {
  readonly #ids = new Map<string, string>();

  /** The same event with every item id changed; the same item keeps the same id. */
  rename(event: StreamEvent): StreamEvent {
    const copy = structuredClone(event);
    if (copy.type === 'response_done') this.#inAll(copy.response.output);
    if (copy.type === 'output_text_delta') {
      this.#in(copy);
      this.#in(copy.providerData);
    }
    if (copy.type === 'model') {
      this.#in(copy.event);
      this.#in(copy.event.item);
      this.#inAll(copy.event.response?.output);
    }
    return copy;
  }

  #inAll(items: unknown[] = []): void {
    for (const item of items) this.#in(item);
  }

  #in(holder: unknown): void {
    if (typeof holder !== 'object' || holder === null) return;
    const members = holder as Record<string, unknown>;
    for (const key of ['id', 'item_id', 'itemId']) {
      const given = members[key];
      if (typeof given === 'string') members[key] = this.#renamed(given);
    }
  }

  #renamed(given: string): string {
    if (given.includes(OWN)) return given;
    const known = this.#ids.get(given);
    if (known) return known;
    const fresh = `${given.split('_')[0]}${OWN}${randomUUID().replaceAll('-', '')}`;
    this.#ids.set(given, fresh);
    return fresh;
  }
}
