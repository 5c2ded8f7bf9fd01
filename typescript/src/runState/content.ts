/**
 * The parts inside an item, between the wire and the SDK's protocol: message content, structured
 * tool outputs, reasoning summaries.
 *
 * A field the protocol has no name for is kept in `providerData`, which the SDK puts back on the
 * wire by itself.
 */

import type { WireItem } from './items.ts';

/** Reads a list of parts; anything that is no list is returned as it is. */
export function partsFromWire(parts: unknown): unknown {
  return Array.isArray(parts) ? parts.map(partFromWire) : parts;
}

/** Writes a list of parts; anything that is no list is returned as it is. */
export function partsToWire(parts: unknown): unknown {
  return Array.isArray(parts) ? parts.map(partToWire) : parts;
}

/** A tool's output: text, or a list of parts. The protocol's older single-part forms become text or a list. */
export function outputToWire(output: unknown): unknown {
  if (typeof output === 'string' || Array.isArray(output)) return partsToWire(output);
  const part = output as WireItem;
  if (part.type === 'text') return part.text;
  return [partToWire(withInputType(part))];
}

/** Reads a tool's output; parts carry no providerData there, because the SDK would not send it. */
export function outputFromWire(output: unknown): unknown {
  return partsFromWire(output);
}

/** Reasoning summaries are stored as input text, with their own type kept beside them. */
export function summaryFromWire(summary: unknown): unknown {
  return asList(summary).map(({ text, ...rest }) => ({
    type: 'input_text',
    text,
    providerData: rest,
  }));
}

export function summaryToWire(content: unknown): unknown {
  return asList(content).map(({ text, providerData }) => ({
    ...(providerData as WireItem | undefined),
    type: 'summary_text',
    text,
  }));
}

function partFromWire(part: WireItem): WireItem {
  switch (part.type) {
    case 'input_text':
      return kept(part, ['text']);
    case 'output_text':
      return kept(part, ['text']);
    case 'refusal':
      return kept(part, ['refusal']);
    case 'input_image':
      return kept(part, ['detail'], { image: imageFromWire(part) }, ['image_url', 'file_id']);
    case 'input_file':
      return kept(part, ['filename'], { file: fileFromWire(part) }, [
        'file_id',
        'file_url',
        'file_data',
      ]);
    case 'input_audio': {
      const { data, format } = part.input_audio as WireItem;
      return kept(part, [], { type: 'audio', audio: data, format }, ['input_audio']);
    }
    default:
      return part;
  }
}

function partToWire(part: WireItem): WireItem {
  const { providerData, promptCacheBreakpoint, ...known } = part;
  const extra = {
    ...snakeKeys(providerData),
    ...(promptCacheBreakpoint ? { prompt_cache_breakpoint: promptCacheBreakpoint } : {}),
  };
  switch (part.type) {
    case 'output_text':
      return { ...withoutChatLeftovers(extra), ...known };
    case 'refusal':
      return { ...withoutChatLeftovers(extra), ...known };
    case 'input_image': {
      const { image, ...rest } = known;
      return defined({ ...extra, ...rest, ...imageToWire(image) });
    }
    case 'input_file': {
      const { file, ...rest } = known;
      return defined({ ...extra, ...rest, ...fileToWire(file) });
    }
    case 'audio':
      return {
        ...extra,
        type: 'input_audio',
        input_audio: defined({ data: part.audio, format: part.format }),
      };
    default:
      return { ...extra, ...known };
  }
}

/** The named fields by themselves, the protocol's own in place of `replaced`, the rest in providerData. */
function kept(
  part: WireItem,
  names: string[],
  own: WireItem = {},
  replaced: string[] = [],
): WireItem {
  const result: WireItem = { type: part.type };
  const rest: WireItem = {};
  for (const [key, value] of Object.entries(part)) {
    if (key === 'type' || replaced.includes(key)) continue;
    if (key === 'prompt_cache_breakpoint') result.promptCacheBreakpoint = value;
    else if (names.includes(key) && value !== null) result[key] = value;
    else rest[key] = value;
  }
  return defined({ ...result, ...own, providerData: isEmpty(rest) ? undefined : rest });
}

function imageFromWire(part: WireItem): unknown {
  return part.image_url ?? (part.file_id ? { id: part.file_id } : undefined);
}

function imageToWire(image: unknown): WireItem {
  if (image === undefined) return {};
  if (typeof image === 'string') return { image_url: image };
  const { id, fileId, url, data, mediaType } = image as WireItem;
  if (id ?? fileId) return { file_id: id ?? fileId };
  return { image_url: url ?? inlineData(data, mediaType ?? 'image/png') };
}

function fileFromWire(part: WireItem): unknown {
  if (part.file_id) return { id: part.file_id };
  if (part.file_url) return { url: part.file_url };
  return part.file_data ?? undefined;
}

function fileToWire(file: unknown): WireItem {
  if (file === undefined) return {};
  if (typeof file === 'string') {
    return /^https?:\/\//.test(file.trim()) ? { file_url: file } : { file_data: file };
  }
  const { id, url, data, mediaType, filename } = file as WireItem;
  const name = filename === undefined ? {} : { filename };
  if (id) return { file_id: id, ...name };
  if (url) return { file_url: url, ...name };
  return { file_data: inlineData(data, mediaType ?? 'text/plain'), ...name };
}

function inlineData(data: unknown, mediaType: unknown): string {
  const base64 =
    typeof data === 'string' ? data : Buffer.from(data as Uint8Array).toString('base64');
  return base64.startsWith('data:') ? base64 : `data:${String(mediaType)};base64,${base64}`;
}

/** The protocol's older tool outputs name the same parts without `input_`. */
function withInputType(part: WireItem): WireItem {
  const { imageUrl, fileId, fileUrl, fileData, ...rest } = part;
  const image = rest.image ?? imageUrl ?? (fileId ? { id: fileId } : undefined);
  const file = rest.file ?? (fileId ? { id: fileId } : fileUrl ? { url: fileUrl } : fileData);
  return part.type === 'image'
    ? defined({ ...rest, type: 'input_image', image })
    : defined({ ...rest, type: 'input_file', file });
}

const CHAT_FIELDS = new Set(['role', 'content', 'refusal', 'tool_calls', 'function_call', 'audio']);

/** The SDK leaves the whole message of a chat-completions model on its text part. */
function withoutChatLeftovers(extra: WireItem): WireItem {
  if (extra.role === undefined) return extra;
  const rest = Object.entries(extra).filter(([key]) => !CHAT_FIELDS.has(key));
  return { annotations: [], ...Object.fromEntries(rest) };
}

/** A part of a chat-completions model's message without the message that the SDK leaves on it. */
export function withoutChatMessage(part: WireItem): WireItem {
  const { providerData, ...known } = part;
  if (!isRecord(providerData)) return part;
  const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;
  const rest = Object.entries(providerData).filter(
    ([key, value]) => !CHAT_FIELDS.has(key) && !isEmptyList(value),
  );
  return rest.length > 0 ? { ...known, providerData: Object.fromEntries(rest) } : known;
}

/** Keys as the SDK writes them when it sends providerData: snake_case, objects inside included. */
export function snakeKeys(value: unknown): WireItem {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key.replace(/([A-Z])/g, '_$1').toLowerCase(),
      isRecord(entry) ? snakeKeys(entry) : entry,
    ]),
  );
}

/** The same object without its undefined fields. */
export function defined(value: WireItem): WireItem {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined));
}

export function isRecord(value: unknown): value is WireItem {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isEmpty(value: WireItem): boolean {
  return Object.keys(value).length === 0;
}

function asList(value: unknown): WireItem[] {
  return Array.isArray(value) ? value : [];
}
