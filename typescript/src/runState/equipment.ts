/**
 * Tools, handoffs and servers by name: what a saved run waits for must be there, as it was. This is
 * checked before the SDK reads anything, because it would run a tool whose arguments have changed.
 */

import { isDeepStrictEqual } from 'node:util';
import { type FunctionTool, type HostedTool, RunContext } from '@openai/agents';
import { AgentMismatchError } from '../errors.ts';
import { type Agents, listed, rawIn } from './agents.ts';
import type { WireItem } from './items.ts';
import type { AnyAgent } from './native.ts';
import { type FunctionCall, type Place, type Run, runsIn } from './record.ts';
import { argumentLines } from './schemas.ts';

/** What an agent has today: its tools by kind, and where it can hand off to. */
export interface Equipment {
  functions: FunctionTool[];
  handoffs: string[];
  mcpServers: string[];
}

/** What the agents of all runs that wait for something have today. */
export async function findEquipment(
  run: Run,
  agents: Agents,
  context: unknown,
): Promise<Map<Run, Equipment>> {
  const found = new Map<Run, Equipment>();
  const runContext = new RunContext(context);
  for (const waiting of runsIn(run)) {
    const agent = waiting.pending && agents.get(waiting.agent);
    if (agent) found.set(waiting, await equipmentOf(agent, runContext));
  }
  return found;
}

async function equipmentOf(agent: AnyAgent, context: RunContext): Promise<Equipment> {
  const tools = await agent.getAllTools(context);
  const mcp = tools.filter(
    (tool) => tool.type === 'hosted_tool' && tool.providerData?.type === 'mcp',
  );
  return {
    functions: tools.filter((tool) => tool.type === 'function') as FunctionTool[],
    handoffs: (await agent.getEnabledHandoffs(context)).map(({ toolName }) => toolName),
    mcpServers: mcp.map((tool) => String((tool as HostedTool).providerData?.server_label)),
  };
}

/**
 * Checks every call, handoff and request that waits against what the agents have today.
 *
 * @throws AgentMismatchError when a tool or handoff is missing, or a tool takes other arguments.
 */
export function checkEquipment(equipment: Map<Run, Equipment>): void {
  for (const [{ agent, items = [], pending = {} }, today] of equipment) {
    const nameOf = (place: Place<WireItem>) => String(rawIn(items, place).name);
    for (const call of pending.functions ?? []) {
      checkFunction(call, rawIn(items, call.call), today.functions, agent);
    }
    for (const { call } of pending.handoffs ?? []) {
      requireName('handoff', nameOf(call), today.handoffs, agent);
    }
    for (const request of pending.mcp ?? []) {
      const server = String(rawIn(items, request).server_label);
      requireName('hosted MCP server', server, today.mcpServers, agent);
    }
  }
}

function checkFunction(
  { tool_key, schema = [] }: FunctionCall,
  { name, namespace }: WireItem,
  tools: FunctionTool[],
  agent: string,
): void {
  requireName(
    'tool',
    String(name),
    tools.map((tool) => tool.name),
    agent,
  );
  const today = tools
    .filter((tool) => tool.name === name)
    .map(({ parameters }) => argumentLines(parameters));
  if (today.some((lines) => isDeepStrictEqual(lines, schema))) return;
  const title =
    tool_key?.[0] === 'namespaced' ? `${String(namespace)}.${String(name)}` : String(name);
  throw new AgentMismatchError(
    `The tool "${title}" of agent "${agent}" takes other arguments than when the run was saved.\n` +
      `Saved: ${listed(schema)}\nToday: ${listed(today[0] ?? [])}\n` +
      'Load the run with the tool as it was, or start a new run.',
  );
}

function requireName(what: string, name: string, there: string[], agent: string): void {
  if (there.includes(name)) return;
  throw new AgentMismatchError(
    `The saved run needs the ${what} "${name}" of agent "${agent}", which has ${listed(there)}. ` +
      'Load the run with the agent that it was saved with.',
  );
}
