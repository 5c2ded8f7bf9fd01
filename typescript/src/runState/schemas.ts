/**
 * The arguments of a tool as lines of text, the same from zod and from pydantic.
 *
 * An approval of a call holds as long as the tool takes the same arguments. Titles, descriptions,
 * defaults and limits may change, and differ between the languages, without changing that.
 */

import { isEmpty, isRecord } from './content.ts';
import { encode } from './record.ts';

type Schema = Record<string, unknown>;

/** One path of the arguments: what may stand there, and whether it may be missing. */
interface Argument {
  alternatives: Set<string>;
  optional: boolean;
}

interface Reading {
  root: Schema;
  found: Map<string, Argument>;
}

/** One line for each argument, such as `lines[].sku: string` or `note?: null | string`. */
export function argumentLines(schema: unknown): string[] {
  if (!isRecord(schema)) return [];
  const reading: Reading = { root: schema, found: new Map() };
  read(schema, '', reading, []);
  reading.found.delete('');
  return [...reading.found]
    .map(([path, { alternatives, optional }]) => {
      return `${path}${optional ? '?' : ''}: ${[...alternatives].sort().join(' | ')}`;
    })
    .sort();
}

function read(schema: Schema, path: string, reading: Reading, within: string[]): Argument {
  const argument = reading.found.get(path) ?? { alternatives: new Set<string>(), optional: false };
  reading.found.set(path, argument);
  const alternatives = collect(schema, path, reading, within);
  for (const name of alternatives.length > 0 ? alternatives : ['any'])
    argument.alternatives.add(name);
  return argument;
}

function collect(schema: Schema, path: string, reading: Reading, within: string[]): string[] {
  const members = ['anyOf', 'oneOf', 'allOf']
    .flatMap((name) => listOf(schema[name]))
    .filter(isRecord);
  const found = [
    ...collectReference(schema.$ref, path, reading, within),
    ...members.flatMap((member) => collect(member, path, reading, within)),
    ...ownAlternatives(schema),
  ];
  descend(schema, path, reading, within);
  return found;
}

function collectReference(
  ref: unknown,
  path: string,
  reading: Reading,
  within: string[],
): string[] {
  if (ref === undefined) return [];
  const name = String(ref);
  if (within.includes(name)) return ['...'];
  const target = targetOf(reading.root, name);
  return target ? collect(target, path, reading, [...within, name]) : [];
}

function ownAlternatives(schema: Schema): string[] {
  if ('const' in schema) return [encode(schema.const)];
  if (Array.isArray(schema.enum)) return schema.enum.map(encode);
  const names = Array.isArray(schema.type) ? schema.type : schema.type ? [schema.type] : [];
  return names.map((name) => (name === 'integer' ? 'number' : String(name)));
}

function descend(schema: Schema, path: string, reading: Reading, within: string[]): void {
  const required = listOf(schema.required);
  for (const [name, property] of Object.entries(
    isRecord(schema.properties) ? schema.properties : {},
  )) {
    const here = path ? `${path}.${name}` : name;
    const argument = read(isRecord(property) ? property : {}, here, reading, within);
    argument.optional ||= !required.includes(name);
  }
  const { items, additionalProperties: values } = schema;
  if (isRecord(items) && !isEmpty(items)) read(items, `${path}[]`, reading, within);
  if (isRecord(values) && !isEmpty(values)) read(values, `${path}{}`, reading, within);
}

function targetOf(root: Schema, reference: string): Schema | undefined {
  if (!reference.startsWith('#')) return undefined;
  let value: unknown = root;
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (!isRecord(value) || !(name in value)) return undefined;
    value = value[name];
  }
  return isRecord(value) ? value : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
