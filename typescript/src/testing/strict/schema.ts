/** JSON schemas as OpenAI takes them: of tools and of structured output. */

import { isObject, type Json, type JsonObject, listOf, objectOf } from '../json.ts';
import { Refusal } from '../refusal.ts';

const FORBIDDEN_AT_THE_TOP = ['anyOf', 'oneOf', 'allOf', 'enum', 'not'];
const FORBIDDEN_WHEN_STRICT = ['oneOf', 'allOf', 'not', 'if', 'then', 'else', 'patternProperties'];

/** Where a schema stands, for the message. */
export interface SchemaPlace {
  /** Whose schema it is, such as `function 'add'`. */
  owner: string;
  param: string;
  code: string;
}

/** An object at the top, lists that say of what; when strict, everything typed and closed. */
export function checkSchema(schema: Json | undefined, strict: boolean, place: SchemaPlace): void {
  const root = objectOf(schema);
  if (root.type !== 'object') {
    throw wrong(place, [], `must be of "type": "object", not ${JSON.stringify(root.type ?? null)}`);
  }
  const forbidden = FORBIDDEN_AT_THE_TOP.find((name) => root[name] !== undefined);
  if (forbidden) throw wrong(place, [], `must not have '${forbidden}' at the top level`);
  walk(root, [], strict, place);
}

function walk(node: JsonObject, path: string[], strict: boolean, place: SchemaPlace): void {
  if (strict) checkStrictNode(node, path, place);
  if (typesOf(node).includes('array') && !isObject(node.items) && !node.prefixItems) {
    throw wrong(place, path, "is an array without 'items'");
  }
  for (const [at, child] of children(node)) {
    if (isObject(child)) walk(child, [...path, ...at], strict, place);
    else if (typeof child === 'boolean' && !strict) continue;
    else throw wrong(place, [...path, ...at], 'is no schema object');
  }
}

function checkStrictNode(node: JsonObject, path: string[], place: SchemaPlace): void {
  const forbidden = FORBIDDEN_WHEN_STRICT.find((name) => node[name] !== undefined);
  if (forbidden) throw wrong(place, path, `has '${forbidden}', which strict schemas must not have`);
  if (node.$ref !== undefined) {
    const beside = Object.keys(node).filter(
      (name) => !['$ref', '$defs', 'definitions'].includes(name),
    );
    if (beside.length > 0) throw wrong(place, path, `has $ref together with ${beside.join(', ')}`);
    return;
  }
  if (typesOf(node).length === 0 && node.anyOf === undefined) {
    throw wrong(place, path, "must have a 'type' key");
  }
  if (!typesOf(node).includes('object')) return;
  if (node.additionalProperties !== false) {
    throw wrong(place, path, "needs 'additionalProperties': false");
  }
  const required = listOf(node.required);
  const properties = Object.keys(objectOf(node.properties));
  const missing = properties.find((name) => !required.includes(name));
  if (missing !== undefined) throw wrong(place, path, `needs '${missing}' in 'required'`);
  const extra = required.find((name) => !properties.includes(String(name)));
  if (extra !== undefined) throw wrong(place, path, `requires '${extra}', which is no property`);
}

function typesOf(node: JsonObject): Json[] {
  const { type } = node;
  return type === undefined || type === null ? [] : Array.isArray(type) ? type : [type];
}

function* children(node: JsonObject): Generator<[string[], Json]> {
  for (const group of ['properties', '$defs', 'definitions']) {
    for (const [name, child] of Object.entries(objectOf(node[group]))) {
      if (child !== undefined) yield [[group, name], child];
    }
  }
  for (const group of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    for (const [index, child] of listOf(node[group]).entries()) yield [[group, `${index}`], child];
  }
  if (isObject(node.items)) yield [['items'], node.items];
  if (isObject(node.additionalProperties)) {
    yield [['additionalProperties'], node.additionalProperties];
  }
}

function wrong({ owner, param, code }: SchemaPlace, path: string[], problem: string): Refusal {
  const context = path.map((name) => `'${name}'`).join(', ');
  return new Refusal(
    `Invalid schema for ${owner}: In context=(${context}), the schema ${problem}.`,
    {
      code,
      param,
    },
  );
}
