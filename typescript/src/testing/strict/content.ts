/** The parts that a message or a tool's output may consist of. */

import { type Json, type JsonObject, listOf } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { checkShape, needObject, type Shape, wrongValue } from './shape.ts';

const GIVEN_PARTS: Record<string, Shape> = {
  input_text: { type: 'text', text: 'text', prompt_cache_breakpoint: 'object~' },
  input_image: {
    type: 'text',
    detail: 'text~',
    file_id: 'text~',
    image_url: 'text~',
    prompt_cache_breakpoint: 'object~',
  },
  input_file: {
    type: 'text',
    detail: 'text~',
    file_data: 'text~',
    file_id: 'text~',
    file_url: 'text~',
    filename: 'text~',
    prompt_cache_breakpoint: 'object~',
  },
};

const SPOKEN_PARTS: Record<string, Shape> = {
  output_text: { type: 'text', text: 'text', annotations: 'list?', logprobs: 'list?' },
  refusal: { type: 'text', refusal: 'text' },
};

/** What a user, a developer or a tool says: text, images and files. */
export function checkGivenParts(parts: Json | undefined, path: string): void {
  for (const [index, part] of listOf(parts).entries()) {
    const at = `${path}[${index}]`;
    const checked = checkPart(part, GIVEN_PARTS, at);
    if (checked.type === 'input_image') checkImage(checked, at);
    if (checked.type === 'input_file') checkFile(checked, at);
  }
}

/** What the model said: text and refusals. */
export function checkSpokenParts(parts: Json | undefined, path: string): void {
  for (const [index, part] of listOf(parts).entries()) {
    checkPart(part, SPOKEN_PARTS, `${path}[${index}]`);
  }
}

/** Parts of one type with one text, as reasoning has them. */
export function checkTextParts(parts: Json | undefined, type: string, path: string): void {
  const shapes = { [type]: { type: 'text', text: 'text' } };
  for (const [index, part] of listOf(parts).entries()) {
    checkPart(part, shapes, `${path}[${index}]`);
  }
}

function checkPart(value: Json, shapes: Record<string, Shape>, path: string): JsonObject {
  const part = needObject(value, path);
  const type = String(part.type);
  const shape = shapes[type];
  const known = Object.keys(shapes);
  if (!shape) throw wrongValue(`${path}.type`, type, `one of ${known.join(', ')}`);
  checkShape(part, shape, path);
  return part;
}

function checkImage(image: JsonObject, path: string): void {
  const url = image.image_url;
  if (typeof url === 'string') {
    if (/^(https?:\/\/\S+|data:image\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=\s]+)$/i.test(url)) return;
    throw wrongValue(`${path}.image_url`, url.slice(0, 80), 'an http(s) or a base64 data URL');
  }
  if (!image.file_id) throw incomplete(path, 'image_url or file_id');
}

function checkFile(file: JsonObject, path: string): void {
  if (file.file_id || file.file_url) return;
  if (!file.file_data) throw incomplete(path, 'file_id, file_url or file_data');
  if (!file.filename) throw incomplete(path, 'filename beside its file_data');
}

function incomplete(path: string, missing: string): Refusal {
  return new Refusal(`'${path}' needs ${missing}.`, {
    code: 'missing_required_parameter',
    param: path,
  });
}
