/** The tools of a Responses request, the choice among them, and the form of the answer. */

import { type Json, type JsonObject, listOf, objectOf, textOf } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { checkToolName } from './input.ts';
import { checkSchema } from './schema.ts';
import { checkShape, needObject, type Shape, wrongValue } from './shape.ts';

const TOOL_SHAPES: Record<string, Shape> = {
  function: {
    type: 'text',
    name: 'text',
    description: 'text~',
    parameters: 'object~',
    strict: 'flag~',
    allowed_callers: 'list~',
    defer_loading: 'flag?',
    output_schema: 'object~',
    async: 'flag?',
  },
  custom: {
    type: 'text',
    name: 'text',
    description: 'text?',
    format: 'object?',
    allowed_callers: 'list~',
    defer_loading: 'flag?',
    async: 'flag?',
  },
  mcp: {
    type: 'text',
    server_label: 'text',
    server_url: 'text?',
    server_description: 'text?',
    connector_id: 'text?',
    tunnel_id: 'text?',
    authorization: 'text?',
    headers: 'object~',
    allowed_tools: 'list|object~',
    allowed_callers: 'list~',
    require_approval: 'text|object~',
    defer_loading: 'flag?',
  },
  web_search: {
    type: 'text',
    filters: 'object~',
    user_location: 'object~',
    search_context_size: 'text?',
    external_web_access: 'flag~',
    search_content_types: 'list?',
    image_settings: 'object?',
  },
  file_search: {
    type: 'text',
    vector_store_ids: 'list',
    filters: 'object~',
    max_num_results: 'number?',
    ranking_options: 'object?',
  },
  code_interpreter: { type: 'text', container: 'text|object', allowed_callers: 'list~' },
};

/** Tools of OpenAI that the rules do not look into. */
const OTHER_TOOLS = [
  'apply_patch',
  'computer',
  'computer_use_preview',
  'image_generation',
  'local_shell',
  'namespace',
  'programmatic_tool_calling',
  'shell',
  'tool_search',
  'web_search_preview',
];

const FORMAT_SHAPES: Record<string, Shape> = {
  text: { type: 'text' },
  json_object: { type: 'text' },
  json_schema: {
    type: 'text',
    name: 'text',
    schema: 'object',
    description: 'text?',
    strict: 'flag~',
  },
};

export function checkTools(tools: Json | undefined): void {
  const names = new Set<string>();
  for (const [index, value] of listOf(tools).entries()) {
    const path = `tools[${index}]`;
    const tool = needObject(value, path);
    checkTool(tool, path);
    const name = nameOf(tool);
    if (names.has(name)) {
      throw wrongValue(`${path}.name`, name, 'a name that no other tool of the request has');
    }
    names.add(name);
  }
}

function checkTool(tool: JsonObject, path: string): void {
  const type = textOf(tool.type ?? 'nothing').replace(/_\d{4}_\d{2}_\d{2}$/, '');
  if (OTHER_TOOLS.includes(type)) return;
  const shape = TOOL_SHAPES[type];
  const known = [...Object.keys(TOOL_SHAPES), ...OTHER_TOOLS];
  if (!shape) throw wrongValue(`${path}.type`, type, `one of ${known.join(', ')}`);
  checkShape(tool, shape, path);
  if (type === 'mcp' && !tool.server_url && !tool.connector_id && !tool.tunnel_id) {
    throw new Refusal(`'${path}' needs server_url, connector_id or tunnel_id.`, {
      code: 'missing_required_parameter',
      param: `${path}.server_url`,
    });
  }
  if (type === 'function' || type === 'custom') checkToolName(nameOf(tool), `${path}.name`);
  if (type === 'function' && tool.parameters) checkParameters(tool, path);
}

function checkParameters(tool: JsonObject, path: string): void {
  // A tool that does not say whether it is strict is strict.
  checkSchema(tool.parameters, tool.strict !== false, {
    owner: `function '${nameOf(tool)}'`,
    param: `${path}.parameters`,
    code: 'invalid_function_parameters',
  });
}

/** What tells a tool from the others: its name, the label of its server, or its type. */
function nameOf(tool: JsonObject): string {
  return textOf(tool.name ?? tool.server_label ?? tool.type);
}

export function checkToolChoice(body: JsonObject): void {
  const choice = body.tool_choice;
  if (choice === undefined) return;
  const tools = listOf(body.tools).map(objectOf);
  if (typeof choice === 'string') {
    if (!['none', 'auto', 'required'].includes(choice)) {
      throw wrongValue('tool_choice', choice, 'none, auto or required');
    }
    if (choice === 'required' && tools.length === 0) throw noSuchTool(choice);
    return;
  }
  const { type, name } = objectOf(choice);
  const named = type === 'function' || type === 'custom';
  if (named && !tools.some((tool) => tool.name === name)) throw noSuchTool(textOf(name ?? ''));
}

export function noSuchTool(choice: string): Refusal {
  return new Refusal(`Tool choice '${choice}' not found in 'tools' parameter.`, {
    param: 'tool_choice',
  });
}

export function checkTextFormat(text: Json | undefined): void {
  if (text === undefined) return;
  checkShape(needObject(text, 'text'), { format: 'object?', verbosity: 'text~' }, 'text');
  const format = objectOf(text).format;
  if (format === undefined) return;
  const { type, name, schema, strict } = objectOf(format);
  const shape = FORMAT_SHAPES[textOf(type ?? 'nothing')];
  if (!shape) {
    const known = Object.keys(FORMAT_SHAPES).join(', ');
    throw wrongValue('text.format.type', textOf(type ?? 'nothing'), `one of ${known}`);
  }
  checkShape(objectOf(format), shape, 'text.format');
  if (type !== 'json_schema') return;
  checkToolName(textOf(name), 'text.format.name', 64);
  checkSchema(schema, strict === true, {
    owner: `response_format '${textOf(name)}'`,
    param: 'text.format.schema',
    code: 'invalid_json_schema',
  });
}
