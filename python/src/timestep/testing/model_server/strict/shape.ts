/** Which fields a JSON object may have, and of which kind: the notation of the strict rules. */

import { isObject, type Json, type JsonObject } from '../json.ts';
import { Refusal } from '../refusal.ts';

/**
 * The fields of one object. A kind is `text`, `flag`, `number`, `object`, `list` or `any`; two
 * kinds are joined by a bar. `?` at the end: may be left out. `~` at the end: may be left out or null.
 */
export type Shape = Record<string, string>;

/** Refuses unknown, missing and wrongly typed fields of the object at `path`. */
export function checkShape(value: JsonObject, shape: Shape, path: string): void {
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(shape, name)) throw unknownParameter(at(path, name));
  }
  for (const [name, kind] of Object.entries(shape)) {
    checkField(value[name], kind, at(path, name));
  }
}

function checkField(value: Json | undefined, kind: string, path: string): void {
  if (value === undefined) {
    if (/[?~]$/.test(kind)) return;
    throw missingParameter(path);
  }
  if (value === null && kind.endsWith('~')) return;
  const kinds = kind.replace(/[?~]$/, '').split('|');
  if (!kinds.some((name) => isKind(value, name))) throw wrongType(path, kinds.join(' or '), value);
}

function isKind(value: Json, kind: string): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'flag':
      return typeof value === 'boolean';
    case 'number':
      return typeof value === 'number';
    case 'list':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    default:
      return true;
  }
}

/** The object at `path`; anything else is refused. */
export function needObject(value: Json | undefined, path: string): JsonObject {
  if (isObject(value)) return value;
  throw wrongType(path, 'object', value ?? null);
}

export function unknownParameter(path: string): Refusal {
  return new Refusal(`Unknown parameter: '${path}'.`, { code: 'unknown_parameter', param: path });
}

export function wrongType(path: string, expected: string, found: Json): Refusal {
  const kind = Array.isArray(found) ? 'list' : found === null ? 'null' : typeof found;
  return new Refusal(`Wrong type for '${path}': a ${expected} was expected, this is a ${kind}.`, {
    code: 'invalid_type',
    param: path,
  });
}

export function wrongValue(path: string, found: string, expected: string): Refusal {
  return new Refusal(`Invalid value for '${path}': '${found}'. Expected ${expected}.`, {
    code: 'invalid_value',
    param: path,
  });
}

function at(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}

export function missingParameter(path: string): Refusal {
  return new Refusal(`Missing required parameter: '${path}'.`, {
    code: 'missing_required_parameter',
    param: path,
  });
}
