// biome-ignore-all lint/suspicious/noExplicitAny: scenarios are JSON that only the SDK looks into
/** The agents of a scenario, as TypeScript defines them. scenario.py is the same in Python. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  Agent,
  applyPatchTool,
  handoff,
  hostedMcpTool,
  MCPServerStdio,
  type RunContext,
  shellTool,
  type Tool,
  ToolGuardrailFunctionOutputFactory,
  tool,
} from '@openai/agents';
import { z } from 'zod';

export type Json = Record<string, any>;
/** Notes an execution: the tool's name, its exact arguments, the id of the call. */
export type Record_ = (tool: string, args: string, callId: string) => void;
export type McpServers = Map<string, MCPServerStdio>;

const LIBRARY: Json = JSON.parse(readFileSync(new URL('library.json', import.meta.url), 'utf8'));

/** The agent that the scenario starts with; the others hang on it. */
export function buildAgents(
  scenario: Json,
  record: Record_,
  mcpServers: McpServers,
): Agent<any, any> {
  const agents: Record<string, Agent<any, any>> = {};
  for (const [key, spec] of Object.entries<Json>(scenario.agents)) {
    agents[key] = agentOf(key, spec, record, mcpServers);
  }
  for (const [key, spec] of Object.entries<Json>(scenario.agents)) {
    const agent = agents[key] as Agent<any, any>;
    agent.handoffs = (spec.handoffs ?? []).map((target: Json) =>
      handoff(agents[target.agent] as Agent<any, any>, {
        toolNameOverride: target.tool,
        toolDescriptionOverride: target.description,
      }),
    );
    for (const target of spec.agents_as_tools ?? []) {
      agent.tools.push(
        (agents[target.agent] as Agent<any, any>).asTool({
          toolName: target.tool,
          toolDescription: target.description,
          needsApproval: target.needs_approval ?? false,
        }),
      );
    }
  }
  return agents[scenario.start] as Agent<any, any>;
}

function agentOf(key: string, spec: Json, record: Record_, servers: McpServers): Agent<any, any> {
  const library = LIBRARY.guardrails;
  return new Agent<any, any>({
    name: spec.name ?? key,
    instructions: spec.instructions,
    model: spec.model ?? 'gpt-5',
    modelSettings: modelSettings(spec.model_settings ?? {}),
    resetToolChoice: spec.reset_tool_choice ?? true,
    tools: [
      ...(spec.tools ?? []).map((name: string) => toolOf(name, record)),
      ...(spec.hosted_mcp ?? []).map(hostedMcp),
    ],
    mcpServers: (spec.mcp_servers ?? []).map((name: string) => servers.get(name)),
    ...(spec.output_type && { outputType: jsonOutput(spec.output_type) }),
    inputGuardrails: (spec.input_guardrails ?? []).map((name: string) => ({
      name,
      execute: async () => verdict(library[name]),
    })),
    outputGuardrails: (spec.output_guardrails ?? []).map((name: string) => ({
      name,
      execute: async () => verdict(library[name]),
    })),
  });
}

/** The settings, in the names of this SDK. */
function modelSettings({ response_include, ...settings }: Json): Json {
  const camel = (name: string) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  const renamed = Object.entries(settings).map(([name, value]) => [camel(name), value]);
  const include = response_include && { providerData: { include: response_include } };
  return { ...Object.fromEntries(renamed), ...include };
}

function toolOf(name: string, record: Record_): Tool<any> {
  const own = OWN_TOOLS[name];
  if (own) return own(record);
  const spec = LIBRARY.tools[name];
  const library = LIBRARY.tool_guardrails;
  return tool({
    name,
    description: spec.description,
    parameters: structuredClone(spec.parameters),
    needsApproval: spec.needs_approval ?? false,
    inputGuardrails: (spec.input_guardrails ?? []).map((guardrail: string) => ({
      name: guardrail,
      run: async () => behavior(library[guardrail]),
    })),
    outputGuardrails: (spec.output_guardrails ?? []).map((guardrail: string) => ({
      name: guardrail,
      run: async () => behavior(library[guardrail]),
    })),
    execute: async (_input: unknown, context?: RunContext<any>, details?: any) => {
      const { arguments: args, callId } = details.toolCall;
      record(name, args, callId);
      return outputOf(spec, args, context?.context);
    },
  });
}

function outputOf(spec: Json, args: string, context: Json): unknown {
  if (spec.image) return { type: 'image', image: spec.image };
  if (spec.counts) context[spec.counts] += 1;
  const given: Json = JSON.parse(args);
  const text = spec.text.replace(/\{([\w.]+)\}/g, (_: string, name: string) => {
    if (name === 'arguments') return args;
    const named = name.startsWith('context.') ? context[name.slice(8)] : given[name];
    return typeof named === 'string' ? named : JSON.stringify(named);
  });
  return text.repeat(spec.times ?? 1);
}

function hostedMcp({ server_label, server_url, ...rest }: Json): Tool<any> {
  return hostedMcpTool({
    serverLabel: server_label,
    serverUrl: server_url,
    requireApproval: 'always',
    ...rest,
  });
}

function verdict({ info, tripped = false }: Json) {
  return { outputInfo: info, tripwireTriggered: tripped };
}

function behavior(spec: Json) {
  if (spec.behavior === 'allow') return ToolGuardrailFunctionOutputFactory.allow(spec.info);
  return ToolGuardrailFunctionOutputFactory.rejectContent(spec.message, spec.info);
}

function jsonOutput(name: string): Json {
  const schema = LIBRARY.output_types[name];
  return { type: 'json_schema', name: 'final_output', strict: true, schema };
}

// Tools that each language writes in its own way.

async function neverReached(): Promise<never> {
  throw new Error('this tool must not run here');
}

const OWN_TOOLS: Record<string, (record: Record_) => Tool<any>> = {
  ship_order: (record) =>
    tool({
      name: 'ship_order',
      description: 'Ship an order.',
      parameters: z.object({
        order: z.string().describe('Which one.'),
        parcels: z
          .array(z.object({ label: z.string(), weight: z.number().default(1) }))
          .describe('What is sent.'),
        unit: z.enum(['kg', 'lb']).default('kg').describe('The unit of all weights.'),
        note: z.string().nullable().default(null).describe('For the driver.'),
      }),
      needsApproval: true,
      execute: async ({ order, parcels, unit, note }, _context?: any, details?: any) => {
        record('ship_order', details.toolCall.arguments, details.toolCall.callId);
        return `Shipped ${order}: ${parcels.length} in ${unit}, ${note ?? 'no note'}.`;
      },
    }),
  shell: () => shellTool({ shell: { run: neverReached }, needsApproval: true }) as Tool<any>,
  apply_patch: () =>
    applyPatchTool({
      editor: { createFile: neverReached, updateFile: neverReached, deleteFile: neverReached },
      needsApproval: true,
    }) as Tool<any>,
};

// Contexts

export class Customer {
  customer: string;
  visits: number;
  tags: string[];

  constructor({ customer, visits, tags }: Json) {
    this.customer = customer;
    this.visits = visits;
    this.tags = tags;
  }
}

/** The context that the run starts with: a plain object, unless the scenario asks for another. */
export function buildContext(scenario: Json): any {
  const { context, context_kind: kind } = scenario;
  if (kind === 'class') return new Customer(context);
  if (kind === 'not_a_number') return { lines: [{ number: Number.NaN }] };
  return structuredClone(context);
}

/** The MCP servers that the scenario runs on this machine, not yet connected. */
export function localMcpServers(scenario: Json): McpServers {
  const specs = Object.values<Json>(scenario.agents);
  const names = new Set<string>(specs.flatMap((spec) => spec.mcp_servers ?? []));
  const script = fileURLToPath(new URL('mcp_server.py', import.meta.url));
  const command = process.env.PYTHON ?? 'python3';
  return new Map(
    [...names].sort().map((name) => {
      const options = { name, command, args: [script], cacheToolsList: true };
      return [name, new MCPServerStdio({ ...options, clientSessionTimeoutSeconds: 30 })];
    }),
  );
}
