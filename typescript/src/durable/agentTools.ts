/**
 * The agents behind tools that `agent.asTool()` made.
 *
 * The SDK keeps them in a registry of its own, where it looks for the agents of a saved run, and
 * exports no way to ask: so its module is loaded by its place in the package.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { NotDurableError } from '../errors.ts';
import type { AnyAgent } from '../runState/native.ts';

interface Registry {
  getAgentToolSourceAgent(tool: object): AnyAgent | undefined;
  registerAgentToolSourceAgent(tool: object, agent: AnyAgent): void;
}

const core = createRequire(import.meta.resolve('@openai/agents')).resolve('@openai/agents-core');
const place = new URL('agentToolSourceRegistry.mjs', pathToFileURL(core)).href;
// An SDK that keeps it elsewhere must not keep runs that are not durable from working.
const loading: Registry | Error = await import(place).catch((error: Error) => error);

/**
 * The agent that a tool runs, if it is an agent as a tool.
 *
 * @throws NotDurableError when the installed SDK does not tell.
 */
export function agentOfTool(tool: object): AnyAgent | undefined {
  return registry().getAgentToolSourceAgent(tool);
}

/** Makes a tool one that runs this agent, for the SDK too. */
export function setAgentOfTool(tool: object, agent: AnyAgent): void {
  registry().registerAgentToolSourceAgent(tool, agent);
}

function registry(): Registry {
  if (!(loading instanceof Error)) return loading;
  throw new NotDurableError(
    `This release of @openai/agents does not tell which agents are used as tools (${place} cannot ` +
      'be loaded), so they could not be recorded. Install the release that Timestep asks for.',
    { cause: loading },
  );
}
