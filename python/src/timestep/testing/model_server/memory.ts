/** What the server remembers of the answers of one script: stored responses, conversations, reasoning. */

import type { OutputItem } from './items.ts';
import { type Json, type JsonObject, listOf, objectOf } from './json.ts';
import { Refusal } from './refusal.ts';

export class Memory {
  readonly #responses = new Map<string, Json[]>();
  readonly #conversations = new Map<string, Json[]>();
  readonly #foreign = new Set<string>();
  /** The ids of the items that can be found again by their id alone. */
  readonly #stored = new Set<string>();
  /** The reasoning item that each item was given right after. */
  readonly #reasoned = new Map<string, string>();

  constructor(conversations: string[]) {
    for (const id of conversations) {
      this.#conversations.set(id, []);
      this.#foreign.add(id);
    }
  }

  get conversationCount(): number {
    return this.#conversations.size;
  }

  addConversation(id: string, items: Json[]): void {
    this.#conversations.set(id, items);
  }

  /** False for a conversation that was begun elsewhere: it may hold items that are not known here. */
  isWhole(body: JsonObject): boolean {
    return !this.#foreign.has(conversationId(body) ?? '');
  }

  /** The items that come before this request's input, from the response or conversation it names. */
  history(body: JsonObject): Json[] {
    const previous = body.previous_response_id;
    const conversation = conversationId(body);
    if (typeof previous === 'string') {
      const items = this.#responses.get(previous);
      if (items) return items;
      throw new Refusal(`No response with the id '${previous}' is stored.`, {
        code: 'previous_response_not_found',
        param: 'previous_response_id',
      });
    }
    if (conversation === undefined) return [];
    const items = this.#conversations.get(conversation);
    if (items) return items;
    throw new Refusal(`No conversation with the id '${conversation}' exists.`, {
      status: 404,
      param: 'conversation',
    });
  }

  isStored(itemId: string): boolean {
    return this.#stored.has(itemId);
  }

  reasoningOf(itemId: string): string | undefined {
    return this.#reasoned.get(itemId);
  }

  /** Keeps an answer that was given, unless the request says `"store": false`. */
  remember(responseId: string, body: JsonObject, output: OutputItem[]): void {
    output.forEach((item, index) => {
      const before = output[index - 1];
      if (before?.type === 'reasoning') this.#reasoned.set(String(item.id), String(before.id));
    });
    if (body.store === false) return;
    for (const item of output) this.#stored.add(String(item.id));
    const items = [...this.history(body), ...inputItems(body), ...output];
    this.#responses.set(responseId, items);
    const conversation = conversationId(body);
    if (conversation !== undefined) this.#conversations.set(conversation, items);
  }
}

/** The input as a list: a text alone is one user message. */
export function inputItems(body: JsonObject): Json[] {
  const { input } = body;
  return typeof input === 'string' ? [{ role: 'user', content: input }] : listOf(input);
}

function conversationId(body: JsonObject): string | undefined {
  const { conversation } = body;
  const id = typeof conversation === 'string' ? conversation : objectOf(conversation).id;
  return typeof id === 'string' ? id : undefined;
}
