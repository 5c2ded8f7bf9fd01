/** JSON as it travels: what a parsed body may hold, and the few questions that are asked of it. */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json | undefined };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value when it is an object, otherwise an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** The value when it is a list, otherwise an empty one. */
export function listOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

/** Text as it is, anything else as its JSON text: `{"city":"Rome"}` may be written as an object. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** True when everything in `wanted` is in `found`; objects may hold more, lists must be as long. */
export function includes(found: Json | undefined, wanted: Json | undefined): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((value, index) => includes(found[index], value))
    );
  }
  if (isObject(wanted)) {
    return (
      isObject(found) &&
      Object.entries(wanted).every(([name, value]) => includes(found[name], value))
    );
  }
  return found === wanted;
}
