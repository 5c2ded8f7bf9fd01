/**
 * On every text of a chat-completions model the SDK keeps the whole message that it came in, calls
 * included, and sends all of it with the text in the next turn, which strict servers refuse. A saved
 * run keeps the text alone: so it goes on as it would in the other language.
 */

import { withoutChatMessage } from './content.ts';
import { isInventedId, type WireItem } from './items.ts';
import type { NativeItem, NativeResponse, NativeState } from './native.ts';

/** The document without messages on texts, in nested runs too; the given one is not changed. */
export function withoutChatMessages(document: NativeState): NativeState {
  const { lastProcessedResponse: pending, pendingAgentToolRuns: nested } = document;
  const { originalInput, lastModelResponse } = document;
  return {
    ...document,
    ...(Array.isArray(originalInput) && { originalInput: originalInput.map(tidy) }),
    generatedItems: document.generatedItems.map(tidyItem),
    modelResponses: document.modelResponses.map(tidyResponse),
    ...(lastModelResponse && { lastModelResponse: tidyResponse(lastModelResponse) }),
    ...(pending && {
      lastProcessedResponse: { ...pending, newItems: pending.newItems.map(tidyItem) },
    }),
    ...(nested && { pendingAgentToolRuns: tidyNested(nested) }),
  };
}

function tidyNested(runs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(runs).map(([call, text]) => [
      call,
      JSON.stringify(withoutChatMessages(JSON.parse(text) as NativeState)),
    ]),
  );
}

function tidyResponse(response: NativeResponse): NativeResponse {
  return { ...response, output: response.output.map(tidy) };
}

function tidyItem(item: NativeItem): NativeItem {
  return { ...item, rawItem: tidy(item.rawItem) };
}

function tidy(item: WireItem): WireItem {
  if (!isInventedId(item.id) || !Array.isArray(item.content)) return item;
  return { ...item, content: item.content.map(withoutChatMessage) };
}
