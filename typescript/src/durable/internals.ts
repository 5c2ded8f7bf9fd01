/**
 * What the SDK does not export, but what a recorded tool must be to be the same to it: bound to its
 * MCP server, and with its result in the form in which the model gets it.
 *
 * The modules are loaded by their places in the package, as those of `agentTools.ts`.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { AgentInputItem } from '@openai/agents';
import { NotDurableError } from '../errors.ts';
import type { AnyFunctionTool } from './tools.ts';

interface ToolIdentity {
  bindMcpTool(tool: AnyFunctionTool, binding: object): AnyFunctionTool;
  getMcpToolBinding(tool: AnyFunctionTool): object | null;
}

interface ToolInput {
  hasDynamicFunctionToolApprovalPolicy(tool: AnyFunctionTool): boolean;
  prepareFunctionToolInput(
    tool: AnyFunctionTool,
    input: string,
  ): { result: { success: boolean; value?: unknown } } | undefined;
}

interface ToolOutput {
  getToolCallOutputItem(
    call: object,
    output: unknown,
    options: { outputSchema?: unknown },
  ): AgentInputItem;
}

const core = createRequire(import.meta.resolve('@openai/agents')).resolve('@openai/agents-core');
// An SDK that keeps them elsewhere must not keep runs that are not durable from working.
const identity = await load<ToolIdentity>('toolIdentity.mjs');
const input = await load<ToolInput>('tool.mjs');
const output = await load<ToolOutput>('runner/toolExecution.mjs');

/** Binds a copy of a tool to the MCP server of the tool, if it has one. */
export function bindAs(copy: AnyFunctionTool, tool: AnyFunctionTool): void {
  const { bindMcpTool, getMcpToolBinding } = identity();
  const binding = getMcpToolBinding(tool);
  if (binding) bindMcpTool(copy, binding);
}

/** Whether the tool decides call by call whether it needs an approval. */
export function decidesOnApproval(tool: AnyFunctionTool): boolean {
  return input().hasDynamicFunctionToolApprovalPolicy(tool);
}

/** A call's arguments as the tool's schema makes them; as they are where they do not fit. */
export function parsedArguments(tool: AnyFunctionTool, given: unknown): unknown {
  const prepared = input().prepareFunctionToolInput(tool, JSON.stringify(given));
  return prepared?.result.success ? prepared.result.value : given;
}

/** A tool's result as the item that the model gets. */
export function outputItem(tool: AnyFunctionTool, call: object, value: unknown): AgentInputItem {
  return output().getToolCallOutputItem(call, value, { outputSchema: tool.outputSchema });
}

async function load<T>(module: string): Promise<() => T> {
  const place = new URL(module, pathToFileURL(core)).href;
  try {
    const loaded: T = await import(place);
    return () => loaded;
  } catch (cause) {
    return () => {
      throw new NotDurableError(
        `This release of @openai/agents has no ${module} (${place} cannot be loaded), so tools ` +
          'could not be recorded. Install the release that Timestep asks for.',
        { cause },
      );
    };
  }
}
