/** What a durable run came to. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type RunToolApprovalItem, Usage } from '@openai/agents';
import type { Database } from '../database/index.ts';
import { AgentMismatchError, ConfigurationError } from '../errors.ts';
import type { AnyAgent, AnyRunState } from '../runState/native.ts';
import { RunStateStore } from '../runState/store.ts';
import { failure } from './failure.ts';
import { registeredAgent } from './registry.ts';

/** The first pause between two looks, and the longest. */
const POLL_MS = [20, 500] as const;
const ENDED = ['interrupted', 'completed', 'failed', 'cancelled'];

/** How a durable run stands, now that it has paused or ended. */
export class WorkflowResult {
  /** The run, for `getRun`, `resumeRun` and the command line. */
  readonly runId: string;
  /** `interrupted`: it waits for decisions. */
  readonly status: 'completed' | 'interrupted' | 'cancelled';
  /** What the agent answered; an object of its output type, if it has one. Undefined unless completed. */
  // biome-ignore lint/suspicious/noExplicitAny: its type is the agent's affair
  readonly finalOutput: any;
  /** The calls that wait for a decision. */
  readonly interruptions: RunToolApprovalItem[];
  /** Requests and tokens of the whole run. */
  readonly usage: Usage;
  readonly #state: AnyRunState | undefined;

  /** @internal */
  constructor(given: {
    runId: string;
    status: WorkflowResult['status'];
    finalOutput?: unknown;
    usage: Usage;
    state?: AnyRunState | undefined;
  }) {
    this.runId = given.runId;
    this.status = given.status;
    this.finalOutput = given.finalOutput;
    this.usage = given.usage;
    this.#state = given.state;
    this.interruptions = given.state?.getInterruptions() ?? [];
  }

  /** The same as `finalOutput`. */
  get output(): unknown {
    return this.finalOutput;
  }

  /**
   * The saved state of a paused run, to be decided on and passed on as input.
   *
   * @throws ConfigurationError when the run is not paused.
   */
  toState(): AnyRunState {
    if (this.#state) return this.#state;
    throw new ConfigurationError(
      `Run ${this.runId} is ${this.status}: only a paused run has a state to resume.`,
    );
  }
}

interface RunRow {
  agent: string;
  status: string;
  output: string | null;
  error_type: string | null;
  error: string | null;
  state_session_id: string;
  state_version: number;
  requests: number;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
}

/**
 * Waits until a run has paused or ended, and returns what it came to.
 *
 * @param agent The agent that it began with. Default: the one that is registered, if there is one.
 * @throws What ended the run, where that can be made again from its message, else TimestepError.
 * @throws ConfigurationError when there is no such run.
 */
export async function resultOf(
  database: Database,
  runId: string,
  agent: AnyAgent | undefined,
): Promise<WorkflowResult> {
  const row = await whenEnded(database, runId);
  const itsAgent = agent ?? (await agentOf(row));
  if (row.status === 'failed') {
    throw failure({ runId, errorType: row.error_type, error: row.error }, itsAgent);
  }
  const status = row.status as WorkflowResult['status'];
  const known = { runId, status, usage: usageOf(row) };
  switch (status) {
    case 'completed':
      return new WorkflowResult({ ...known, finalOutput: outputOf(row.output, itsAgent) });
    case 'interrupted':
      return new WorkflowResult({ ...known, state: itsAgent && (await stateOf(row, itsAgent)) });
    default:
      return new WorkflowResult(known);
  }
}

async function whenEnded(database: Database, runId: string): Promise<RunRow> {
  const [first, longest] = POLL_MS;
  for (let pause: number = first; ; pause = Math.min(longest, pause * 1.5)) {
    const [row] = await database.query<RunRow>(
      `select agent, status, output, error_type, error, state_session_id, state_version, requests,
          input_tokens, output_tokens, total_tokens from timestep.runs where run_id = $1`,
      [runId],
      { repeatable: true },
    );
    if (!row) {
      throw new ConfigurationError(`There is no run '${runId}' in ${database.location.display}.`);
    }
    if (ENDED.includes(row.status)) return row;
    await sleep(pause);
  }
}

function usageOf({ requests, input_tokens, output_tokens, total_tokens }: RunRow): Usage {
  return new Usage({
    requests,
    inputTokens: input_tokens,
    outputTokens: output_tokens,
    totalTokens: total_tokens,
  });
}

async function agentOf({ agent }: RunRow): Promise<AnyAgent | undefined> {
  try {
    return await registeredAgent(agent);
  } catch (error) {
    // without its agent a state cannot be made; listApprovals() needs none
    if (error instanceof AgentMismatchError) return undefined;
    throw error;
  }
}

async function stateOf(
  { state_session_id, state_version }: RunRow,
  agent: AnyAgent,
): Promise<AnyRunState> {
  await using store = new RunStateStore({ agent, sessionId: state_session_id });
  return await store.load({ version: state_version });
}

function outputOf(text: string | null, agent: AnyAgent | undefined): unknown {
  if (text === null) return undefined;
  const value: unknown = JSON.parse(text);
  if (!agent || agent.outputType === 'text') return value;
  try {
    return agent.processFinalOutput(text);
  } catch {
    return value; // a run that ended at another agent than it began with
  }
}
