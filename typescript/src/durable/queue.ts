/** Durable runs that wait in a queue for a process that has room for them. */

import type { AgentInputItem } from '@openai/agents';
import { ConfigurationError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import type { AnyAgent } from '../runState/native.ts';
import type { Session } from '../session.ts';
import { DEFAULT_QUEUE, type Runtime, SUFFIXES } from './configuration.ts';
import { enqueue, enqueueOnce, enqueueOptions, registerQueue } from './dbosQueue.ts';
import { launched } from './launch.ts';
import type { Process } from './process.ts';
import { RunHandle } from './resuming.ts';
import { create, known, type Request, requested } from './runs.ts';

const LAST_PRIORITY = 2 ** 31 - 1;

/** What a run that somebody else executes takes. */
export interface QueuedOptions {
  /** The agent to start with. */
  agent: AnyAgent;
  /** A text, or items of the SDK or the Responses API. */
  inputItems: string | AgentInputItem[] | Record<string, unknown>[];
  /** Where history is read from and added to. Default: no history. */
  session?: Session | undefined;
  /** The queue; its limits are given to `configureDBOS`. Default: `agents`. */
  queueName?: string | undefined;
  /** For the tools: a plain object that JSON can hold. */
  context?: Record<string, unknown> | undefined;
  /** As for the SDK's `run`. */
  maxTurns?: number | null | undefined;
  /** As for the SDK's `run`. */
  previousResponseId?: string | undefined;
  /** As for the SDK's `run`. */
  conversationId?: string | undefined;
  /** After how many seconds a decision that nobody took is a rejection. Default: never. */
  approvalSeconds?: number | undefined;
}

export const QUEUED_NAMES: Names<QueuedOptions> = {
  agent: true,
  inputItems: true,
  session: true,
  queueName: true,
  context: true,
  maxTurns: true,
  previousResponseId: true,
  conversationId: true,
  approvalSeconds: true,
};

/** What {@link queueAgentWorkflow} takes. */
export interface QueueOptions extends QueuedOptions {
  /** The name of the run: the same one is the same run. Default: a new random one. */
  workflowId?: string | undefined;
  /**
   * From 1 on; a lower number comes first, and a run without one comes before all. Default: none.
   */
  priority?: number | undefined;
  /**
   * While a run of this id waits or is executed, another one is not made: the handle is that of the
   * run that is there. Default: none.
   */
  deduplicationId?: string | undefined;
  /** Which language executes it; it needs an agent of the same name. Default: `typescript`. */
  runtime?: Runtime | undefined;
  /** For how long it may run, once it runs; pauses do not count. Default: no limit. */
  timeoutSeconds?: number | undefined;
}

const NAMES: Names<QueueOptions> = {
  ...QUEUED_NAMES,
  workflowId: true,
  priority: true,
  deduplicationId: true,
  runtime: true,
  timeoutSeconds: true,
};

/** A run that was put in a queue. */
export type QueuedRun = RunHandle;

/**
 * Put a run in a queue, for any process that has its agent.
 *
 * @returns When the run lies in the queue, its handle: `await handle.getResult()`.
 * @throws NotDurableError when something about the run cannot be recorded or kept.
 * @throws ConfigurationError when a run of this id has another input, agent or session, or a value
 *   cannot be used.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function queueAgentWorkflow(given: QueueOptions): Promise<QueuedRun> {
  const { agent, priority, deduplicationId, queueName = DEFAULT_QUEUE } = given;
  check(given);
  const request = requested({ ...given, queueName, language: given.runtime });
  const { runId, language } = request;
  const { process, systemDatabaseUrl } = await launched();
  if (language === 'typescript') {
    await known(process, agent);
    await registerQueue(process.configuration, queueName);
  }
  if (!(await create(process, request, { owner: process.instance }))) return new RunHandle(runId);
  const options = {
    ...enqueueOptions(process.configuration, { runId, queueName, language }),
    ...(priority !== undefined && { priority }),
  };
  const run = { run_id: runId, segment: 0 };
  if (deduplicationId === undefined) {
    await enqueue(options, run);
  } else {
    const unique = { ...options, deduplicationID: deduplicationId };
    const found = await enqueueOnce(systemDatabaseUrl, unique, run);
    if (found !== runId) return await instead(process, request, found);
  }
  await process.database.query('select timestep.mark_enqueued_v1($1)', [runId], {
    repeatable: true,
  });
  return new RunHandle(runId);
}

function check(given: QueueOptions): void {
  checkOptions(given, NAMES);
  const { priority = 1, runtime = 'typescript' } = given;
  if (!Number.isInteger(priority) || priority < 1 || priority > LAST_PRIORITY) {
    throw new ConfigurationError(`priority is ${priority}; expected 1 to ${LAST_PRIORITY}.`);
  }
  if (!Object.hasOwn(SUFFIXES, runtime)) {
    throw new ConfigurationError(`runtime is "${runtime}"; expected "python" or "typescript".`);
  }
}

/** A run of this deduplication id is there already: the row made for a new one goes. */
async function instead(process: Process, { runId }: Request, found: string): Promise<RunHandle> {
  await process.database.query(
    `delete from timestep.runs where run_id = $1 and status = 'pending'`,
    [runId],
    { repeatable: true },
  );
  return new RunHandle(found);
}
