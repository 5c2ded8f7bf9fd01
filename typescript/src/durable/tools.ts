/** What a tool says about its own durability, and what it learns about the run. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { FunctionTool } from '@openai/agents';
import { NotDurableError } from '../errors.ts';

// biome-ignore lint/suspicious/noExplicitAny: a tool of any agent
export type AnyFunctionTool = FunctionTool<any, any, any>;

/** How a tool behaves in durable runs. */
export interface DurableToolOptions {
  /**
   * True for a tool whose call must not be made twice, such as a payment: if the process dies during
   * a call, the call is not made again, and the model is told that its outcome is unknown. False: the
   * call is made again. Default: false.
   */
  atMostOnce?: boolean;
}

// A symbol as the key of a property goes along when a tool is copied with `{ ...tool }`.
const MARK = Symbol.for('timestep.atMostOnce');

const currentKey = new AsyncLocalStorage<string>();

/**
 * Say how a tool behaves in durable runs; returns the same tool.
 *
 * @param tool What the SDK's `tool()` returned.
 */
export function durableTool<Tool extends AnyFunctionTool>(
  tool: Tool,
  { atMostOnce = false }: DurableToolOptions = {},
): Tool {
  return atMostOnce ? markAtMostOnce(tool) : tool;
}

/** Keep calls of this tool from being repeated after a crash; returns the same tool. */
export function markAtMostOnce<Tool extends AnyFunctionTool>(tool: Tool): Tool {
  Reflect.set(tool, MARK, true);
  return tool;
}

/** Whether calls of this tool are never repeated. */
export function isAtMostOnce(tool: AnyFunctionTool): boolean {
  return Reflect.get(tool, MARK) === true;
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
