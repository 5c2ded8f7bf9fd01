/**
 * Agents whose every model call and tool call is recorded.
 *
 * The agents themselves stay the caller's. Wherever the SDK asks one of them for its tools inside of
 * a durable run it gets recorded ones, and its model, where that is an object, is replaced by one
 * that records inside of durable runs and is that same model everywhere else.
 */

import { Agent, type Tool } from '@openai/agents';
import { NotDurableError } from '../errors.ts';
import type { AnyAgent, AnyRunState } from '../runState/native.ts';
import { currentLoop } from './loop.ts';
import { recordedModel } from './recordedModel.ts';
import { recordedTool } from './recordedTool.ts';
import { reachable } from './registry.ts';
import type { AnyFunctionTool } from './tools.ts';

const originalTools = Agent.prototype.getAllTools;

/** Puts recorded tools in place of those of all agents, inside of durable runs; once. */
export function recordTools(): void {
  if (Agent.prototype.getAllTools !== originalTools) return;
  Agent.prototype.getAllTools = async function (this: AnyAgent, ...given) {
    const tools = await originalTools.apply(this, given);
    const loop = currentLoop();
    if (!loop) return tools;
    loop.agent = this.name;
    recordModel(this);
    return tools.map((tool) => recordedKind(this, tool));
  };
}

/** Puts recorded tools in place of those that the calls of a loaded state wait for. */
export function recordPending(state: AnyRunState): void {
  for (const call of state._lastProcessedResponse?.functions ?? []) {
    call.tool = recordedTool(call.tool as AnyFunctionTool);
  }
}

/** Has the model of an agent recorded where it is an object. */
export function recordModel(agent: AnyAgent): void {
  if (typeof agent.model === 'object') agent.model = recordedModel(agent.model);
}

/**
 * Refuses agents that have something that cannot be recorded, and those that they lead to.
 *
 * @throws NotDurableError which names the agent and the tool.
 */
export function refuseUnrecordable(agent: AnyAgent): void {
  for (const each of reachable(agent)) {
    if (isSandbox(each)) throw sandbox(each);
    if (!isAskedForTools(each)) throw unheard(each);
    for (const tool of each.tools) refuseLocal(each, tool);
  }
}

function recordedKind<T extends Tool>(agent: AnyAgent, tool: T): T {
  refuseLocal(agent, tool);
  return (tool.type === 'function' ? recordedTool(tool as unknown as AnyFunctionTool) : tool) as T;
}

function isSandbox(agent: AnyAgent): boolean {
  return 'defaultManifest' in agent || 'capabilities' in agent;
}

/** Whether the agent's tools are asked for where they are recorded. */
function isAskedForTools({ getAllTools }: AnyAgent): boolean {
  return getAllTools === Agent.prototype.getAllTools || getAllTools === originalTools;
}

function refuseLocal(agent: AnyAgent, tool: Tool): void {
  if (tool.type === 'function') return;
  const isHosted = tool.type === 'hosted_tool';
  if (isHosted && tool.providerData?.execution !== 'client') return;
  throw new NotDurableError(
    `The tool "${tool.name}" of agent "${agent.name}" is of the kind ${tool.type}, which acts on ` +
      'this machine without being a function tool: its calls cannot be recorded. Make it a function ' +
      'tool, or run the agent with runAgent().',
  );
}

function sandbox(agent: AnyAgent): NotDurableError {
  return new NotDurableError(
    `Agent "${agent.name}" is a sandbox agent: what it does on its machine cannot be recorded. Run ` +
      'it with runAgent(), or give it function tools instead.',
  );
}

function unheard(agent: AnyAgent): NotDurableError {
  return new NotDurableError(
    `Agent "${agent.name}" has a getAllTools() of its own, whose tools could not be recorded. Give ` +
      'it its tools as `tools`, or run it with runAgent().',
  );
}
