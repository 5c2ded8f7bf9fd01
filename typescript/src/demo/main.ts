/**
 * One process of the demo: plays its part of a run, up to a pause or to the end, and ends.
 *
 * In the first act the run is paused and saved; in the second it is a durable run, in the middle of
 * which this process may be killed.
 *
 * The task comes as one line of JSON on standard input, what happens goes out as lines of JSON on
 * standard output. Standard input is left open by whoever started this process: when it closes, the
 * demo is gone and so is this. demo/main.py is the same in Python.
 */

import process from 'node:process';
import { createInterface } from 'node:readline';
import type { RunToolApprovalItem } from '@openai/agents';
import { cleanupDBOS, configureDBOS, getRun, runAgentWorkflow } from '../durable/index.ts';
import { ConfigurationError } from '../errors.ts';
import { runAgent } from '../runner.ts';
import type { AnyRunState } from '../runState/native.ts';
import { RunStateStore } from '../runState/store.ts';
import { Session } from '../session.ts';
import { type OnCall, refundAgent, sellingAgent } from './agent.ts';

interface Decision {
  approve: boolean;
  message: string | null;
}

interface Task {
  session_id: string;
  model: string;
  /** What the customer says, to start a run. */
  input: string | null;
  /** What to resume, and what was decided on the calls that it waits for, in their order. */
  version?: number;
  decisions?: Decision[];
}

interface DurableTask {
  run_id: string;
  model: string;
  /** What the customer says. */
  input: string;
  lease_seconds: number;
}

function tell(event: string, facts: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

const tellOfCall: OnCall = (tool, args, output) =>
  tell('called', { tool, arguments: args, output });

async function play(task: Task): Promise<void> {
  const { session_id: sessionId, model, input } = task;
  const agent = refundAgent(model, tellOfCall);
  const session = new Session({ sessionId });
  await using store = new RunStateStore({ agent, sessionId });
  const runInput = input ?? (await loaded(store, task));
  const result = await runAgent(agent, runInput, session);
  if (result.interruptions.length === 0) {
    tell('finished', { answer: result.finalOutput });
    return;
  }
  const version = await store.save(result.state);
  const calls = result.interruptions.map(({ name, arguments: args }) => ({
    tool: name,
    arguments: args,
  }));
  tell('paused', { session_id: sessionId, version, calls });
}

/** Load the paused run and note on it what was decided. */
async function loaded(
  store: RunStateStore,
  { session_id, version = 1, decisions = [] }: Task,
): Promise<AnyRunState> {
  const state = await store.load({ version });
  tell('resumes', { session_id, version });
  const calls = state.getInterruptions();
  if (calls.length !== decisions.length) {
    throw new ConfigurationError(
      `${calls.length} calls wait, but ${decisions.length} were decided on.`,
    );
  }
  decisions.forEach(({ approve, message }, index) => {
    const call = calls[index] as RunToolApprovalItem;
    if (approve) state.approve(call);
    else state.reject(call, message ? { message } : undefined);
  });
  return state;
}

/** Start the run or, if it is there, wait for it and go on with it if nobody else does. */
async function playDurably({ run_id: workflowId, input, ...task }: DurableTask): Promise<void> {
  const agent = sellingAgent(task.model, tellOfCall);
  configureDBOS({ agents: [agent], leaseSeconds: task.lease_seconds });
  if (await getRun(workflowId)) tell('waits', { run_id: workflowId });
  const result = await runAgentWorkflow({ agent, inputItems: input, workflowId });
  tell('finished', { answer: result.finalOutput });
  await cleanupDBOS();
}

const lines = createInterface({ input: process.stdin });
lines.once('close', () => process.exit(1));
lines.once('line', async (line) => {
  tell('began', { runtime: `Node.js ${process.versions.node}`, process: process.pid });
  try {
    const task: Task | DurableTask = JSON.parse(line);
    await ('run_id' in task ? playDurably(task) : play(task));
    process.exitCode = 0;
  } catch (error) {
    const { name, message } = error as Error;
    tell('failed', { error: `${name}: ${message}` });
    process.exitCode = 1;
  }
  lines.removeAllListeners('close');
  process.stdin.destroy();
});
