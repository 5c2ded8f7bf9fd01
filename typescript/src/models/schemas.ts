/** Tool schemas as Ollama can read them: it ignores `$ref`, so references are written out. */

import { type ModelRequest, UserError } from '@openai/agents';

type Schema = Record<string, unknown>;

/**
 * The request with plain schemas.
 *
 * @throws UserError when a tool is one that OpenAI would run itself, or its schema refers to
 *   itself.
 */
export function withPlainSchemas(request: ModelRequest): ModelRequest {
  const tools = request.tools.map((tool) => {
    if (tool.type !== 'function') {
      throw new UserError(
        `The tool '${tool.name}' runs at OpenAI; Ollama has only function tools. ` +
          'Use a function tool, for example webSearch of Timestep.',
      );
    }
    return { ...tool, parameters: plain(tool.parameters, tool.name) };
  });
  const handoffs = request.handoffs.map((handoff) => ({
    ...handoff,
    inputJsonSchema: plain(handoff.inputJsonSchema, handoff.toolName),
  }));
  return { ...request, tools, handoffs };
}

function plain<T extends object>(schema: T, name: string): T {
  return '$defs' in schema ? (inline(schema as Schema, name) as T) : schema;
}

/**
 * The schema with every reference replaced by what it refers to.
 *
 * @param schema - A JSON Schema whose definitions lie under `$defs`.
 * @param name - The tool's name, for the error.
 * @throws UserError when a definition contains itself, or a reference leads elsewhere.
 */
export function inline(schema: Schema, name: string): Schema {
  const { $defs, ...root } = schema;
  const definitions = new Map(Object.entries(($defs ?? {}) as Record<string, Schema>));

  const writtenOut = (node: unknown, seen: string[]): unknown => {
    if (Array.isArray(node)) return node.map((entry) => writtenOut(entry, seen));
    if (typeof node !== 'object' || node === null) return node;
    const { $ref: target, ...beside } = node as Schema;
    const members = Object.entries(typeof target === 'string' ? beside : node);
    const written = Object.fromEntries(members.map(([key, v]) => [key, writtenOut(v, seen)]));
    if (typeof target !== 'string') return written;
    const key = target.replace('#/$defs/', '');
    const definition = definitions.get(key);
    if (!definition || seen.includes(key)) {
      throw new UserError(
        `The arguments of the tool '${name}' hold the reference '${target}', which cannot be ` +
          'written out, and Ollama reads no references. Use flat arguments.',
      );
    }
    return { ...(writtenOut(definition, [...seen, key]) as Schema), ...written };
  };

  return writtenOut(root, []) as Schema;
}
