/** What a tool says about its own durability, and what it learns about the run. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { FunctionTool } from '@openai/agents';
import { ConfigurationError, NotDurableError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import { agentOfTool } from './agentTools.ts';

// biome-ignore lint/suspicious/noExplicitAny: a tool of any agent
export type AnyFunctionTool = FunctionTool<any, any, any>;

/** What happens to a call of which nobody knows whether it took effect. */
export type WhenUnknown = 'tell' | 'ask';

export interface AtMostOnceOptions {
  /**
   * What happens when the process died during a call, so that nobody knows whether it took effect.
   * `tell`: the model is told so. `ask`: the run pauses for a person, as for an approval; approving
   * makes the call again, rejecting does not, and the model is told the person's message. Default:
   * `tell`.
   */
  whenUnknown?: WhenUnknown;
}

/** How a tool behaves in durable runs. */
export interface DurableToolOptions extends AtMostOnceOptions {
  /**
   * True for a tool whose call must not be made twice, such as a payment: if the process dies during
   * a call, it is not made again by itself. False: it is. Default: false.
   */
  atMostOnce?: boolean;
}

const MARK_NAMES: Names<AtMostOnceOptions> = { whenUnknown: true };
const NAMES: Names<DurableToolOptions> = { ...MARK_NAMES, atMostOnce: true };

// A symbol as the key of a property goes along when a tool is copied with `{ ...tool }`.
const MARK = Symbol.for('timestep.whenUnknown');

const currentKey = new AsyncLocalStorage<string>();

/**
 * Say how a tool behaves in durable runs; returns the same tool.
 *
 * @param tool What the SDK's `tool()` returned.
 * @throws ConfigurationError when the tool cannot be marked, or `whenUnknown` is given without
 *   `atMostOnce`.
 * @throws TypeError when there is no option of a name that was given.
 */
export function durableTool<Tool extends AnyFunctionTool>(
  tool: Tool,
  given: DurableToolOptions = {},
): Tool {
  checkOptions(given, NAMES);
  const { atMostOnce = false, ...options } = given;
  if (atMostOnce) return markAtMostOnce(tool, options);
  if (options.whenUnknown === undefined) return tool;
  throw new ConfigurationError('whenUnknown is for tools with atMostOnce: true.');
}

/**
 * Keep calls of this tool from being repeated after a crash; returns the same tool.
 *
 * @throws ConfigurationError when it is no function tool, or one that runs an agent, or `whenUnknown`
 *   is neither of the two.
 * @throws TypeError when there is no option of a name that was given.
 */
export function markAtMostOnce<Tool extends AnyFunctionTool>(
  tool: Tool,
  options: AtMostOnceOptions = {},
): Tool {
  checkOptions(options, MARK_NAMES);
  const { whenUnknown = 'tell' } = options;
  if (tool?.type !== 'function') {
    throw new ConfigurationError('A tool that runs at most once is a function tool of the SDK.');
  }
  if (agentOfTool(tool)) {
    throw new ConfigurationError(
      `The tool "${tool.name}" runs an agent, whose calls are recorded one by one: mark the tools ` +
        'of that agent.',
    );
  }
  if (whenUnknown !== 'tell' && whenUnknown !== 'ask') {
    throw new ConfigurationError(`whenUnknown is '${whenUnknown}'; expected 'tell' or 'ask'.`);
  }
  Reflect.set(tool, MARK, whenUnknown);
  return tool;
}

/** What happens to a call of unknown outcome; undefined: it is made again. */
export function whenUnknown(tool: AnyFunctionTool): WhenUnknown | undefined {
  return Reflect.get(tool, MARK);
}

/** Whether calls of this tool are never repeated by themselves. */
export function isAtMostOnce(tool: AnyFunctionTool): boolean {
  return whenUnknown(tool) !== undefined;
}

/**
 * The key of the tool call that this code runs in.
 *
 * It is the same whenever the call is made again, in either language: hand it to a service that takes
 * such a key, and a payment is made once even if the call is made twice.
 *
 * @throws NotDurableError when the tool was not called by a durable run.
 */
export function idempotencyKey(): string {
  const key = currentKey.getStore();
  if (key !== undefined) return key;
  throw new NotDurableError(
    'There is no idempotency key: this tool was not called by a durable run. Start the run with ' +
      'runAgentWorkflow().',
  );
}

/** Does the work of a tool call that has this key. */
export function withIdempotencyKey<T>(key: string, work: () => T): T {
  return currentKey.run(key, work);
}
