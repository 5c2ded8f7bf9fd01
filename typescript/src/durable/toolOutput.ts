/** Wire content parts of a tool's result, as a tool of the SDK returns them. */

import { defined } from '../runState/content.ts';
import type { WireItem } from '../runState/items.ts';

/** The parts in the form from which the SDK makes these same parts again. */
export function nativeParts(parts: readonly WireItem[]): WireItem[] {
  return parts.map(nativePart);
}

function nativePart(part: WireItem): WireItem {
  switch (part.type) {
    case 'input_image': {
      const image = part.image_url ?? { fileId: part.file_id };
      return defined({ type: 'image', image, detail: part.detail ?? undefined });
    }
    case 'input_file':
      return { type: 'file', ...file(part) };
    default:
      return { type: 'text', text: part.text };
  }
}

function file({ file_id: id, file_url: url, file_data: data, filename }: WireItem): WireItem {
  if (id) return { file: defined({ id, filename }) };
  if (url) return { file: defined({ url, filename }) };
  const [, mediaType, base64] = /^data:([^;,]+);base64,(.*)$/s.exec(String(data)) ?? [];
  return filename && mediaType ? { file: { data: base64, mediaType, filename } } : { file: data };
}
