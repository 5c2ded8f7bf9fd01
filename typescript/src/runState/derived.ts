/** What the SDK wants to be told about a run although it follows from the rest; never saved. */

import { RunState } from '@openai/agents';
import { emptyDocument } from './agents.ts';
import { type AnyAgent, documentOf, type NativeItem } from './native.ts';
import type { Run } from './record.ts';

/**
 * Which items the response that waits owns. The SDK demands it where output guardrails are, and
 * refuses it where it is not exact; then it is left out, as the SDK itself does.
 */
export function ownership(run: Run, seen: NativeItem[]): Record<string, unknown> {
  const places = run.pending?.new_items ?? [];
  const [start] = places;
  const waiting = run.interruptions ?? [];
  if (typeof start !== 'number' || waiting.length === 0 || run.pending?.mcp) return {};
  const end = start + places.length;
  const isTogether = places.every((place, i) => place === start + i);
  const inOrder = waiting.every((place, i) => {
    return typeof place === 'number' && place >= end && (i === 0 || place > Number(waiting[i - 1]));
  });
  const owned = seen.slice(end).filter(({ type }) => type === 'tool_approval_item');
  if (!isTogether || !inOrder || owned.length !== waiting.length) return {};
  return {
    currentResponseGeneratedItemOwnership: {
      generatedItemStartIndex: start,
      generatedItemEndIndexExclusive: seen.length,
      interruptionGeneratedItemIndexes: waiting,
      toolOutputGuardrailResultStartIndex: run.pending?.tool_output_guardrail_start ?? 0,
    },
  };
}

/** The last version of the document for which the SDK itself works out which calls are done. */
const DERIVING_VERSION = '1.17';

/** What the SDK wants to know about calls that are done: it works it out itself from the items. */
export async function completedCalls(
  items: NativeItem[],
  root: AnyAgent,
): Promise<Record<string, unknown>> {
  const document = {
    ...emptyDocument(root),
    $schemaVersion: DERIVING_VERSION,
    generatedItems: items.map(inOlderForm),
  };
  const state = await RunState.fromString(root, JSON.stringify(document));
  const {
    completedToolInvocations,
    completedToolInvocationEvidence,
    ambiguousToolInvocationCallIds,
  } = documentOf(state);
  return {
    completedToolInvocations,
    completedToolInvocationEvidence,
    ambiguousToolInvocationCallIds,
  };
}

/** The item without what that version does not know; none of it matters for which calls are done. */
function inOlderForm({ executionStatus, customData, ...item }: NativeItem): object {
  if (item.type === 'tool_call_output_item') return { ...item, output: '' };
  if (item.type !== 'input_item') return item;
  return { type: 'reasoning_item', rawItem: { type: 'reasoning', content: [] }, agent: item.agent };
}
