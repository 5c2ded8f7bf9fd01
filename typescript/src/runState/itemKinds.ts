/** The kinds of items that are no messages: what each of their fields is called in both forms. */

import {
  defined,
  isRecord,
  outputFromWire,
  outputToWire,
  snakeKeys,
  summaryFromWire,
  summaryToWire,
} from './content.ts';
import type { WireItem } from './items.ts';

type Change = (value: unknown) => unknown;

/** One field: its protocol name, its wire name, and what is done to its value either way. */
interface Field {
  name: string;
  wireName: string;
  read?: Change;
  write?: Change;
  /** Not taken when reading: the SDK looks for it in providerData. */
  writeOnly?: true;
}

export interface Codec {
  /** The protocol's name of this kind. */
  type: string;
  fields: Field[];
  /** What the protocol demands and the wire may leave out. */
  defaults: WireItem;
  /** Values that the SDK adds by itself and that are therefore not stored. */
  unsaid?: WireItem;
}

const field = (name: string, wireName = name, read?: Change, write?: Change): Field => ({
  name,
  wireName,
  ...(read ? { read } : {}),
  ...(write ? { write } : {}),
});

const ID = field('id');
const STATUS = field('status');
const CALL_ID = field('callId', 'call_id');
const CALLER = field(
  'caller',
  'caller',
  renamed({ caller_id: 'callerId' }),
  renamed({ callerId: 'caller_id' }),
);
const CALL = [ID, CALL_ID, STATUS, CALLER];

const SHELL_ACTION = { timeout_ms: 'timeoutMs', max_output_length: 'maxOutputLength' };
const TOOL = {
  function_name: 'functionName',
  defer_loading: 'deferLoading',
  allowed_callers: 'allowedCallers',
  output_schema: 'outputSchema',
};

/** Kinds by their wire name. */
export const CODECS: Record<string, Codec> = {
  function_call: {
    type: 'function_call',
    fields: [...CALL, field('name'), field('namespace'), field('arguments')],
    defaults: {},
  },
  function_call_output: {
    type: 'function_call_result',
    fields: [...CALL, field('output', 'output', outputFromWire, outputToWire)],
    defaults: { status: 'completed' },
    unsaid: { status: 'completed' },
  },
  reasoning: {
    type: 'reasoning',
    fields: [
      ID,
      field('content', 'summary', summaryFromWire, summaryToWire),
      { name: 'rawContent', wireName: 'content', writeOnly: true },
    ],
    defaults: { content: [] },
  },
  compaction: {
    type: 'compaction',
    fields: [ID, field('encrypted_content'), field('created_by')],
    defaults: {},
  },
  computer_call: {
    type: 'computer_call',
    fields: [ID, CALL_ID, STATUS, field('action'), field('actions')],
    defaults: {},
  },
  computer_call_output: {
    type: 'computer_call_result',
    fields: [
      ID,
      CALL_ID,
      field('output', 'output', renamed({ image_url: 'data' }), renamed({ data: 'image_url' })),
    ],
    defaults: {},
  },
  shell_call: {
    type: 'shell_call',
    fields: [...CALL, field('action', 'action', presentOf(SHELL_ACTION), nullsBack(SHELL_ACTION))],
    defaults: { status: 'in_progress' },
  },
  shell_call_output: {
    type: 'shell_call_output',
    fields: [
      ...CALL,
      field('maxOutputLength', 'max_output_length'),
      field(
        'output',
        'output',
        outcomes({ exit_code: 'exitCode' }),
        outcomes({ exitCode: 'exit_code' }),
      ),
    ],
    defaults: {},
  },
  apply_patch_call: {
    type: 'apply_patch_call',
    fields: [
      ...CALL,
      field(
        'operation',
        'operation',
        renamed({ move_to: 'moveTo' }),
        renamed({ moveTo: 'move_to' }),
      ),
    ],
    defaults: { status: 'in_progress' },
  },
  apply_patch_call_output: {
    type: 'apply_patch_call_output',
    fields: [...CALL, field('output')],
    defaults: { status: 'completed' },
  },
  tool_search_call: {
    type: 'tool_search_call',
    fields: [ID, CALL_ID, STATUS, field('execution'), field('arguments')],
    defaults: {},
  },
  tool_search_output: {
    type: 'tool_search_output',
    fields: [
      ID,
      CALL_ID,
      STATUS,
      field('execution'),
      field('tools', 'tools', tools(TOOL), tools(swapped(TOOL))),
    ],
    defaults: { tools: [] },
  },
  program: {
    type: 'program',
    fields: [ID, CALL_ID, field('code'), field('fingerprint')],
    defaults: {},
  },
  program_output: {
    type: 'program_output',
    fields: [ID, CALL_ID, STATUS, field('output', 'result')],
    defaults: {},
  },
};

/** Calls that the API executes by itself. All of them are one protocol kind, the wire item inside. */
export const HOSTED = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'mcp_list_tools',
  'mcp_call',
  'mcp_approval_request',
  'mcp_approval_response',
]);

/** Kinds whose status the API tells; the others are complete by being there. */
const WITH_STATUS = /^(web_search|file_search|code_interpreter|image_generation)_call$/;

export function hostedFromWire(wire: WireItem): WireItem {
  const { status, caller, ...rest } = wire;
  const output = wire.result ?? wire.output;
  return defined({
    type: 'hosted_tool_call',
    id: typeof wire.id === 'string' ? wire.id : undefined,
    name: wire.type,
    status: WITH_STATUS.test(wire.type as string) ? (status ?? undefined) : 'completed',
    output: typeof output === 'string' ? output : undefined,
    caller: caller ? CALLER.read?.(caller) : undefined,
    // The SDK sends what is in here, and what it keeps in `output` it does not send.
    providerData: WITH_STATUS.test(wire.type as string)
      ? rest
      : { ...rest, ...defined({ status }) },
  });
}

export function hostedToWire(item: WireItem): WireItem {
  const { providerData, status, output, caller, id } = item;
  const wire = snakeKeys(providerData);
  const type = String(HOSTED.has(wire.type as string) ? wire.type : item.name);
  const outputName = type === 'image_generation_call' ? 'result' : 'output';
  return defined({
    id,
    status: WITH_STATUS.test(type) ? status : undefined,
    [outputName]: output,
    caller: caller ? CALLER.write?.(caller) : undefined,
    ...wire,
    type,
  });
}

/** Changes the names of an object's fields. */
function renamed(names: Record<string, string>): Change {
  return (value) =>
    isRecord(value)
      ? Object.fromEntries(Object.entries(value).map(([key, entry]) => [names[key] ?? key, entry]))
      : value;
}

/** The same, leaving out the fields that are null: the protocol has no null there. */
function presentOf(names: Record<string, string>): Change {
  return (value) => {
    const fields = Object.entries(value as WireItem).filter(([, entry]) => entry !== null);
    return renamed(names)(Object.fromEntries(fields));
  };
}

/** The way back: the SDK writes null for what is not limited. */
function nullsBack(names: Record<string, string>): Change {
  const empty = Object.fromEntries(Object.keys(names).map((key) => [key, null]));
  return (value) => ({ ...empty, ...(renamed(swapped(names))(value) as WireItem) });
}

function outcomes(names: Record<string, string>): Change {
  return (value) =>
    (value as WireItem[]).map((entry) => ({ ...entry, outcome: renamed(names)(entry.outcome) }));
}

function tools(names: Record<string, string>): Change {
  const change = renamed(names);
  return (value) =>
    (value as WireItem[]).map((tool) => {
      const inner =
        isRecord(tool) && Array.isArray(tool.tools) ? { tools: tools(names)(tool.tools) } : {};
      return isRecord(tool) ? { ...(change(tool) as WireItem), ...inner } : tool;
    });
}

function swapped(names: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(names).map(([key, value]) => [value, key]));
}
