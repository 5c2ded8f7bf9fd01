/** Finding the first fault of a saved run, before the SDK sees it and says less about it. */

import { NotPortableError } from '../errors.ts';
import { isRecord } from './content.ts';
import type { WireItem } from './items.ts';
import type { Envelope } from './record.ts';

type Check = (value: unknown, path: string) => void;

const NAME = 'timestep.run_state';
const MAJOR = '1';

/**
 * The document, if it is what the specification says.
 *
 * @throws NotPortableError when it has another format (both are named) or a fault (its path is named).
 */
export function check(document: unknown): Envelope {
  object(document, 'The document');
  checkFormat((document as WireItem).format);
  const writer = member(document, 'writer', '');
  for (const name of ['language', 'sdk_version', 'schema_version', 'timestep_version']) {
    text(member(writer, name, 'writer'), `writer.${name}`);
  }
  checkRun(document as WireItem, '');
  checkUsage(member(document, 'usage', ''), 'usage');
  return document as unknown as Envelope;
}

function checkFormat(found: unknown): void {
  const [name, major] = typeof found === 'string' ? found.split('/') : [];
  if (name !== NAME || !/^\d+$/.test(major ?? '')) {
    throw fault('format', `is ${JSON.stringify(found)}, but should be "${NAME}/${MAJOR}"`);
  }
  if (major !== MAJOR) {
    throw new NotPortableError(
      `The saved run has the format ${String(found)}, but this version of Timestep reads ` +
        `${NAME}/${MAJOR}: use the version of Timestep that wrote it, or a newer one.`,
    );
  }
}

function checkRun(run: WireItem, at: string): void {
  const path = (name: string) => (at ? `${at}.${name}` : name);
  oneOf('interrupted', 'run_again', 'terminal')(member(run, 'status', at), path('status'));
  text(member(run, 'agent', at), path('agent'));
  count(member(run, 'turn', at), path('turn'));
  if (member(run, 'max_turns', at) !== null) count(run.max_turns, path('max_turns'));
  if (typeof member(run, 'original_input', at) !== 'string') {
    list(object)(run.original_input, path('original_input'));
  }
  const items = (run.items ?? []) as WireItem[];
  list(checkItem)(items, path('items'));
  items.forEach((item, i) => {
    checkApprovalItem(items, item, i, path(`items[${i}].raw`));
  });
  const place = placeAmong(items.length);
  const optional: [string, Check][] = [
    ['pending_input', list(object)],
    ['responses', list(checkResponse(place))],
    ['approvals', list(checkApproval)],
    ['usage', checkUsage],
    ['context', object],
    ['guardrails', object],
    ['trace', object],
    ['session_items', checkSessionItems(place)],
    ['pending', checkPending(place)],
    ['interruptions', list(either(place, object))],
  ];
  for (const [name, checkOne] of optional) if (name in run) checkOne(run[name], path(name));
}

function checkSessionItems(place: Check): Check {
  return (value, path) => {
    count(member(value, 'visible', path), `${path}.visible`);
    list(place)(member(value, 'order', path), `${path}.order`);
  };
}

function checkPending(place: Check): Check {
  const reference = either(place, object);
  return (value, path) => {
    object(value, path);
    const { new_items, mcp, functions, handoffs } = value as WireItem;
    list(either(place, checkItem))(new_items ?? [], `${path}.new_items`);
    list(reference)(mcp ?? [], `${path}.mcp`);
    list((entry, here) => {
      reference(member(entry, 'call', here), `${here}.call`);
      const { nested } = entry as WireItem;
      if (nested === undefined) return;
      object(nested, `${here}.nested`);
      checkRun(nested as WireItem, `${here}.nested`);
    })(functions ?? [], `${path}.functions`);
    list((entry, here) => {
      reference(member(entry, 'call', here), `${here}.call`);
      text(member(entry, 'target', here), `${here}.target`);
    })(handoffs ?? [], `${path}.handoffs`);
  };
}

function checkItem(item: unknown, path: string): void {
  text(member(item, 'type', path), `${path}.type`);
  either(count, object)(member(item, 'raw', path), `${path}.raw`);
  const isHandoff = (item as WireItem).type === 'handoff_output_item';
  for (const name of isHandoff ? ['source_agent', 'target_agent'] : ['agent']) {
    text(member(item, name, path), `${path}.${name}`);
  }
}

function checkApprovalItem(items: WireItem[], item: WireItem, index: number, path: string): void {
  if (typeof item.raw !== 'number') return;
  const isApproval = item.type === 'tool_approval_item';
  const target = items[item.raw];
  if (isApproval && item.raw < index && target?.type !== 'tool_approval_item') return;
  throw fault(path, `is ${item.raw}, but no earlier call stands there`);
}

function checkResponse(place: Check): Check {
  return (response, path) => {
    list(either(place, object))(member(response, 'output', path), `${path}.output`);
    checkUsage(member(response, 'usage', path), `${path}.usage`);
  };
}

const NAMED_BY: Record<string, string[]> = {
  function: ['agent'],
  hosted_mcp: ['tool', 'server_label'],
  other: ['tool'],
};

function checkApproval(approval: unknown, path: string): void {
  const kind = member(approval, 'kind', path);
  oneOf(...Object.keys(NAMED_BY))(kind, `${path}.kind`);
  oneOf('call', 'always')(member(approval, 'scope', path), `${path}.scope`);
  oneOf('approved', 'rejected')(member(approval, 'decision', path), `${path}.decision`);
  const isCall = (approval as WireItem).scope === 'call';
  for (const name of [...(NAMED_BY[kind as string] ?? []), ...(isCall ? ['call_id'] : [])]) {
    text(member(approval, name, path), `${path}.${name}`);
  }
  if (kind === 'function') list(text)(member(approval, 'tool_key', path), `${path}.tool_key`);
}

function checkUsage(usage: unknown, path: string): void {
  for (const name of ['requests', 'input_tokens', 'output_tokens', 'total_tokens']) {
    count(member(usage, name, path), `${path}.${name}`);
  }
}

function placeAmong(length: number): Check {
  return (value, path) => {
    count(value, path);
    if ((value as number) < length) return;
    throw fault(path, `is ${String(value)}, but there are only ${length} items`);
  };
}

function either(number: Check, other: Check): Check {
  return (value, path) => (typeof value === 'number' ? number(value, path) : other(value, path));
}

function list(checkOne: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) throw fault(path, `is ${kind(value)}, but should be a list`);
    value.forEach((entry, i) => {
      checkOne(entry, `${path}[${i}]`);
    });
  };
}

function oneOf(...names: string[]): Check {
  return (value, path) => {
    if (names.includes(value as string)) return;
    throw fault(path, `is ${JSON.stringify(value)}, but should be one of ${names.join(', ')}`);
  };
}

function member(value: unknown, name: string, path: string): unknown {
  if (isRecord(value) && name in value) return value[name];
  throw fault(path ? `${path}.${name}` : name, 'is missing');
}

function object(value: unknown, path: string): void {
  if (!isRecord(value)) throw fault(path, `is ${kind(value)}, but should be an object`);
}

function text(value: unknown, path: string): void {
  if (typeof value !== 'string') throw fault(path, `is ${kind(value)}, but should be a text`);
}

function count(value: unknown, path: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw fault(path, `is ${JSON.stringify(value)}, but should be a whole number from 0 on`);
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}

function fault(path: string, what: string): NotPortableError {
  return new NotPortableError(`The saved run cannot be read: ${path} ${what}.`);
}
