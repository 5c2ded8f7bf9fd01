/**
 * The agents that this process has, by name: what it can execute, take over and resume.
 *
 * Agents are code and are never stored as such. What is written to `timestep.agents` is for reading.
 */

import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { Agent, Handoff, type Model, RunContext, type Tool } from '@openai/agents';
import type { Database } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { AgentMismatchError, ConfigurationError } from '../errors.ts';
import type { AnyAgent } from '../runState/native.ts';
import { agentOfTool } from './agentTools.ts';
import { decidesOnApproval } from './internals.ts';
import { whenUnknown } from './tools.ts';

const agents = new Map<string, AnyAgent>();
const described = new Set<string>();
const changes = new EventEmitter().setMaxListeners(0);

/**
 * Makes an agent known by its name; one of the same name takes its place.
 *
 * @throws ConfigurationError when it is no `Agent`.
 */
export function registerAgent(agent: AnyAgent): void {
  checkAgent(agent);
  agents.set(agent.name, agent);
  changes.emit('registered');
}

/** @throws ConfigurationError when it is no `Agent`. */
export function checkAgent(agent: unknown): void {
  if (agent instanceof Agent) return;
  throw new ConfigurationError('A durable run needs an Agent of the Agents SDK.');
}

/** The names of the agents that this process has. */
export function registeredNames(): string[] {
  return [...agents.keys()].sort();
}

/**
 * The agent of that name.
 *
 * @param options.waitSeconds For how long to wait for its registration. Default: not at all.
 * @throws AgentMismatchError when there is none.
 */
export async function registeredAgent(
  name: string,
  { waitSeconds = 0 }: { waitSeconds?: number } = {},
): Promise<AnyAgent> {
  const found =
    agents.get(name) ?? (waitSeconds > 0 ? await awaited(name, waitSeconds) : undefined);
  if (found) return found;
  throw new AgentMismatchError(
    `This process has no agent named "${name}"; it has ${registeredNames().join(', ') || 'none'}. ` +
      'Name it in configureDBOS({ agents: […] }), or start the run here once.',
  );
}

async function awaited(name: string, seconds: number): Promise<AnyAgent | undefined> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), seconds * 1000);
  try {
    while (!agents.has(name)) await once(changes, 'registered', { signal: patience.signal });
  } catch (error) {
    if (!patience.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  return agents.get(name);
}

/** Writes what is known of an agent and those that it leads to. */
export async function describeAgents(database: Database, agent: AnyAgent): Promise<void> {
  for (const each of reachable(agent)) {
    const definition = dump(await describe(each));
    const sha256 = createHash('sha256').update(definition).digest('hex');
    const key = JSON.stringify([database.location.url, each.name, sha256]);
    if (described.has(key)) continue;
    await database.query(
      `insert into timestep.agents (name, language, definition, sha256)
        values ($1, 'typescript', $2, $3) on conflict (name, language) do update
        set definition = excluded.definition, sha256 = excluded.sha256, updated_at = now()
        where agents.sha256 <> excluded.sha256`,
      [columnText(each.name), definition, sha256],
      { repeatable: true },
    );
    described.add(key);
  }
}

/** The agent and those that it hands off to or uses as tools, each once. */
export function reachable(agent: AnyAgent): AnyAgent[] {
  const found = new Set([agent]);
  for (const each of found) {
    for (const handoff of each.handoffs) found.add(handoffTarget(handoff));
    for (const tool of each.tools) {
      const inner = agentOfTool(tool);
      if (inner) found.add(inner);
    }
  }
  return [...found];
}

/** The agent that a handoff leads to. */
export function handoffTarget(handoff: AnyAgent | Handoff): AnyAgent {
  return handoff instanceof Handoff ? handoff.agent : handoff;
}

/** How a model is called in the journal. */
export function modelName(model: string | Model | undefined): string {
  if (model === undefined || typeof model === 'string') return model || 'default';
  // OpenAI's models keep their name to themselves in `_model`
  const named: unknown = Reflect.get(model, 'model') ?? Reflect.get(model, '_model');
  return typeof named === 'string' ? named : model.constructor.name;
}

/** What can be said of an agent; what is code is called "code". */
export async function describe(agent: AnyAgent): Promise<Record<string, unknown>> {
  const { instructions, outputType } = agent;
  return {
    model: modelName(agent.model),
    instructions: typeof instructions === 'function' ? 'code' : instructions || null,
    tools: await Promise.all(agent.tools.map(describeTool)),
    handoffs: agent.handoffs.map((handoff) => handoffTarget(handoff).name),
    output_type: outputName(outputType),
    guardrails: {
      input: agent.inputGuardrails.map(({ name }) => name),
      output: agent.outputGuardrails.map(({ name }) => name),
    },
    mcp_servers: agent.mcpServers.map(({ name }) => name),
    model_settings: plainOnly(agent.modelSettings),
  };
}

async function describeTool(tool: Tool): Promise<Record<string, unknown>> {
  const described = { name: tool.name, kind: tool.type };
  if (tool.type !== 'function') return described;
  const decides = decidesOnApproval(tool);
  return {
    ...described,
    schema: tool.parameters,
    needs_approval: decides ? 'code' : await tool.needsApproval(new RunContext(), {}),
    at_most_once: whenUnknown(tool) !== undefined,
    when_unknown: whenUnknown(tool) ?? null,
  };
}

function outputName(outputType: unknown): string | null {
  if (outputType === undefined || outputType === 'text') return null;
  const named = (outputType as { name?: unknown }).name;
  return typeof named === 'string' ? named : 'object';
}

function plainOnly(settings: object): Record<string, unknown> {
  const entries = Object.entries(settings);
  return Object.fromEntries(entries.filter(([, v]) => v != null && typeof v !== 'function'));
}
