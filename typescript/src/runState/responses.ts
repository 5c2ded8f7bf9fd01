/** Model responses and token counts, between the SDK's form and the saved one. */

import { isDeepStrictEqual } from 'node:util';
import { defined, isEmpty } from './content.ts';
import {
  type CallNames,
  portableResponseId,
  toWireItem,
  typedItem,
  type WireItem,
} from './items.ts';
import type { NativeResponse, NativeUsage } from './native.ts';
import type { Item, Place, Response, Usage } from './record.ts';

/** What both SDKs count apart. */
const DETAILS = ['cached_tokens', 'cache_write_tokens', 'reasoning_tokens'];

/** Responses, each output as the index of its item where there is one. */
export function writeResponses(responses: NativeResponse[], items: Item[]): Response[] {
  let cursor = 0;
  const place = (wire: WireItem): Place<WireItem> => {
    const index = items.findIndex(
      ({ type, raw }, i) =>
        i >= cursor && type !== 'tool_approval_item' && isDeepStrictEqual(raw, wire),
    );
    if (index < 0) return wire;
    cursor = index + 1;
    return index;
  };
  return responses.map(({ output, usage, responseId, requestId }) => {
    const written = {
      output: output.map((item) => place(toWireItem(item as never))),
      usage: writeUsage(usage),
      response_id: portableResponseId(responseId),
      request_id: requestId,
    };
    return defined(written) as unknown as Response;
  });
}

/** Responses for the SDK; `native` are its items, in the order of the saved ones. */
export function readResponses(
  responses: Response[],
  natives: { rawItem: WireItem }[],
  names: CallNames,
): NativeResponse[] {
  return responses.map(({ output, usage, response_id, request_id }) => {
    const read = {
      usage: readUsage(usage),
      output: output.map((place) =>
        typeof place === 'number' ? natives[place]?.rawItem : typedItem(place, names),
      ),
      responseId: response_id,
      requestId: request_id,
    };
    return defined(read) as unknown as NativeResponse;
  });
}

export function writeUsage(usage: NativeUsage, { entries = false } = {}): Usage {
  const requests = entries ? (usage.requestUsageEntries ?? []).map(writeEntry) : [];
  return defined({
    requests: usage.requests ?? 0,
    ...writeEntry(usage),
    entries: requests.length > 0 ? requests : undefined,
  }) as unknown as Usage;
}

function writeEntry(usage: NativeUsage): Usage {
  return defined({
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    total_tokens: usage.totalTokens,
    input_tokens_details: summed(usage.inputTokensDetails),
    output_tokens_details: summed(usage.outputTokensDetails),
  }) as unknown as Usage;
}

export function readUsage(usage: Usage): NativeUsage {
  const { entries, requests } = usage;
  return defined({
    requests: requests ?? 0,
    ...readEntry(usage, (details) => [details]),
    requestUsageEntries: entries?.map((entry) => readEntry(entry, (details) => details)),
  }) as unknown as NativeUsage;
}

function readEntry(usage: Usage, form: (details: Record<string, number>) => unknown): WireItem {
  const { input_tokens_details: input, output_tokens_details: output } = usage;
  return defined({
    inputTokens: usage.input_tokens,
    outputTokens: usage.output_tokens,
    totalTokens: usage.total_tokens,
    inputTokensDetails: input && form(input),
    outputTokensDetails: output && form(output),
  });
}

function summed(
  details: Record<string, number> | Record<string, number>[] | undefined,
): Record<string, number> | undefined {
  const list = Array.isArray(details) ? details : [details ?? {}];
  const sums = DETAILS.map((name) => {
    return [name, list.reduce((sum, entry) => sum + (entry[name] ?? 0), 0)] as const;
  });
  const counted = Object.fromEntries(sums.filter(([, sum]) => sum !== 0));
  return isEmpty(counted) ? undefined : counted;
}
