/**
 * The SDK's runner, which begins a recorded agent loop where a durable run asks for one.
 *
 * Every loop begins in `Runner.run`: those of agents as tools and those that a tool begins by itself
 * too. So it is there that they are recorded. Everywhere else it does its work unchanged.
 */

import { Runner, RunState } from '@openai/agents';
import type { AnyAgent, AnyRunState } from '../runState/native.ts';
import { toolKey } from './journal.ts';
import { currentFrame, type Frame, type Loop, within } from './loop.ts';
import { recordModel, recordPending, recordTools, refuseUnrecordable } from './recordedAgent.ts';
import { recordedModel, recordedProvider } from './recordedModel.ts';
import { recordedSession } from './recordedSession.ts';

// biome-ignore lint/suspicious/noExplicitAny: the SDK's own overloads at their widest
type Run = (this: Runner, agent: AnyAgent, input: any, options?: any) => Promise<any>;

const run = Runner.prototype.run as Run;

/** Puts the recording runner in place of the SDK's, once. */
export function install(): void {
  recordTools();
  Runner.prototype.run = runRecorded as typeof Runner.prototype.run;
}

const runRecorded: Run = async function (agent, input, options = {}) {
  const frame = currentFrame();
  // a loop that a guardrail or hook begins belongs to no durable run
  if (!frame) return await within(undefined, () => run.call(this, agent, input, options));
  const loop = frame.beginLoop();
  recordConfig(this);
  begin(loop, agent, input);
  const session = options.session && (await recordedSession(options.session, loop));
  // the loop is where models and tools look; new loops begin only inside its tools
  const result = await within(loop, () => run.call(this, agent, input, { ...options, session }));
  noteInterruption(frame, result);
  return result;
};

function begin(loop: Loop, agent: AnyAgent, input: unknown): void {
  loop.journal.refusing(() => refuseUnrecordable(agent));
  loop.agent = agent.name;
  if (!(input instanceof RunState)) return;
  loop.agent = input._currentAgent.name;
  loop.ordinal = input._modelResponses.length;
  recordModel(input._currentAgent);
  recordPending(input);
  noteAnswered(loop, input);
}

/** Lets no later call have the id of one whose result the state has. */
function noteAnswered({ journal, path }: Loop, { _generatedItems }: AnyRunState): void {
  for (const { rawItem } of _generatedItems) {
    if (rawItem?.type === 'function_call_result') journal.answered(toolKey(path, rawItem.callId));
  }
}

/** Has the runner's models recorded; outside of durable runs they are what they were. */
function recordConfig({ config }: Runner): void {
  config.modelProvider = recordedProvider(config.modelProvider);
  if (typeof config.model === 'object') config.model = recordedModel(config.model);
}

interface Result {
  interruptions?: unknown[];
  completed?: Promise<void>;
}

function noteInterruption(frame: Frame, result: Result): void {
  const note = () => {
    frame.interrupted = (result.interruptions ?? []).length > 0;
  };
  if (result.completed) result.completed.then(note, note);
  else note();
}
