/** One execution of a durable run: from the claim to the end, the pause, or the loss of the run. */

import { DBOS } from '@dbos-inc/dbos-sdk';
import { type Session as SessionProtocol, StreamedRunResult, ToolCallError } from '@openai/agents';
import {
  AgentMismatchError,
  ConfigurationError,
  DatabaseUnavailableError,
  RunOwnershipLostError,
  TimestepError,
} from '../errors.ts';
import { info, warn } from '../logger.ts';
import { runnerFor } from '../runner.ts';
import type { AnyAgent } from '../runState/native.ts';
import { Session } from '../session.ts';
import {
  BEGINNING,
  type BeginningRow,
  type CallDecision,
  sdkInput,
  segmentStart,
} from './beginning.ts';
import { Journal } from './journal.ts';
import { type Claim, type Ended, type Live, liveRuns, type SDKResult } from './live.ts';
import { Frame, within } from './loop.ts';
import { currentProcess, type Process } from './process.ts';
import { registeredAgent } from './registry.ts';
import type { RunArgument } from './runArgument.ts';
import { finish, pause } from './stopping.ts';

export { isWaitedFor, type Live } from './live.ts';

const AGENT_WAIT_SECONDS = 30;
const CLAIM = `select c.*, ${BEGINNING}
  from timestep.claim_run_v1($1, $2, 'typescript', $3, $4, $5) c
  left join timestep.runs r on r.run_id = $1`;
/** The longest that a timer of Node waits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A run that this process executes. */
export class Execution {
  readonly process: Process;
  readonly journal: Journal;
  readonly segment: number;
  readonly agent: AnyAgent;
  readonly live: Live | undefined;
  /** What was approved, by call id. */
  decisions: ReadonlyMap<string, CallDecision> = new Map();
  /** Its end is being written: that the run is not ours any more is our doing. */
  settling = false;
  readonly #controller = new AbortController();

  constructor(given: {
    process: Process;
    journal: Journal;
    segment: number;
    agent: AnyAgent;
    live: Live | undefined;
  }) {
    this.process = given.process;
    this.journal = given.journal;
    this.segment = given.segment;
    this.agent = given.agent;
    this.live = given.live;
  }

  /** Fires when nothing more is to be done here. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Throws if another process may have taken the run already. */
  processMustBeAlive(): void {
    if (this.journal.lost || !this.process.isAlive()) throw this.journal.ownershipLost();
  }

  /** Stops: the run is no longer this process's. */
  stop(): void {
    this.#end(this.journal.ownershipLost());
  }

  /** Stops when the time of the run is over; disposed, it does not. */
  stopAfter(seconds: number | null): Disposable {
    let timer: NodeJS.Timeout | undefined;
    const wait = (ms: number) => {
      timer = setTimeout(
        () => (ms > LONGEST_TIMER_MS ? wait(ms - LONGEST_TIMER_MS) : this.#end(timedOut())),
        Math.min(ms, LONGEST_TIMER_MS),
      );
    };
    if (seconds !== null) wait(Math.max(0, seconds * 1000));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Work of the run: over at once when the execution is, even if a tool does not hear of it. */
  async untilStopped<T>(work: Promise<T>): Promise<T> {
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(this.signal.reason);
    this.signal.addEventListener('abort', stop);
    if (this.signal.aborted) stop();
    try {
      return await Promise.race([work, stopped.promise]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  #end(reason: Error): void {
    this.journal.lost = true; // what still goes on is not recorded
    this.#controller.abort(reason);
  }
}

/** The workflow of DBOS that executes a run, or waits for the execution that was started with it. */
export const runAgentBody = DBOS.registerWorkflow(executeOrWait, {
  name: 'timestep.run_agent',
  serialization: 'portable',
});

async function executeOrWait(run: RunArgument): Promise<Ended> {
  const live = liveRuns.get(run.run_id);
  // DBOS may not have noted the end of the segment before yet
  const isStarted = run.epoch === undefined && live?.segment === (run.segment ?? 0);
  const started = isStarted ? live?.execution : undefined;
  return await (started ?? executeRun(run, undefined, { workflowId: String(DBOS.workflowID) }));
}

/** Executes a run, unless somebody else does or it has ended. */
export async function executeRun(
  run: RunArgument,
  live: Live | undefined,
  { workflowId }: { workflowId: string },
): Promise<Ended> {
  const process = currentProcess();
  if (!process) throw new TimestepError('DBOS was launched without ensureDBOSLaunched().');
  try {
    return { run_id: run.run_id, status: await execute(process, run, live, workflowId) };
  } finally {
    live?.outcome?.tell(undefined);
  }
}

async function execute(
  process: Process,
  run: RunArgument,
  live: Live | undefined,
  workflowId: string,
): Promise<string> {
  if (!process.reserve(run.run_id)) return 'elsewhere';
  try {
    return await executeReserved(process, run, live, workflowId);
  } catch (error) {
    if (!(error instanceof RunOwnershipLostError)) throw error;
    info('%s', error.message);
    return 'elsewhere';
  } finally {
    process.letGo(run.run_id);
  }
}

async function executeReserved(
  process: Process,
  run: RunArgument,
  live: Live | undefined,
  workflowId: string,
): Promise<string> {
  const { run_id: runId, segment = 0 } = run;
  const agent = live?.agent ?? (await agentOf(process, runId));
  if (!agent) {
    await leaveToOthers(process, runId);
    return 'elsewhere';
  }
  const claim = live?.claim ?? (await claimed(process, run, workflowId));
  if (!claim.claimed) {
    info('run %s is not executed here: %s', runId, claim.reason);
    return String(claim.reason);
  }
  const { database, writer } = process;
  const journal = new Journal({ database, writer, runId, epoch: claim.epoch });
  const execution = new Execution({ process, journal, segment, agent, live });
  process.active.set(runId, execution);
  try {
    return await toItsEnd(execution, claim);
  } finally {
    process.active.delete(runId);
  }
}

/** Becomes the executor of a run, or learns why not. */
async function claimed(
  { database, instance }: Process,
  { run_id, segment = 0, epoch }: RunArgument,
  workflowId: string,
): Promise<Claim & BeginningRow> {
  const [row] = await database.query<Claim & BeginningRow>(CLAIM, [
    run_id,
    instance,
    segment,
    epoch ?? null,
    workflowId,
  ]);
  return row as Claim & BeginningRow;
}

async function toItsEnd(execution: Execution, claim: Claim & BeginningRow): Promise<string> {
  const { journal, live } = execution;
  using _deadline = execution.stopAfter(claim.deadline_seconds);
  let result: SDKResult;
  try {
    result = await execution.untilStopped(run(execution, claim));
    await journal.settled();
    if (journal.refusal) throw journal.refusal;
  } catch (error) {
    const reason = execution.signal.aborted ? execution.signal.reason : reasonOf(error, journal);
    // the SDK wraps what a tool throws: what counts is that nothing more may be done here, or that it
    // cannot be written now; the run goes on when the database is back
    const isLost =
      reason instanceof RunOwnershipLostError || error instanceof DatabaseUnavailableError;
    if (isLost || (journal.lost && !execution.signal.aborted)) throw journal.ownershipLost();
    return await failed(execution, reason);
  }
  if (journal.lost) throw journal.ownershipLost();
  execution.settling = true;
  const status = result.interruptions.length > 0 ? 'interrupted' : 'completed';
  if (status === 'interrupted') await pause(execution, result);
  else await finish(execution, { status, result });
  live?.outcome?.tell(result);
  return status;
}

/** What ended a run: our own errors come out of the SDK wrapped as errors of a tool. */
function reasonOf(error: unknown, { refusal }: Journal): unknown {
  if (refusal) return refusal;
  const isOurs = error instanceof ToolCallError && error.error instanceof TimestepError;
  return isOurs ? error.error : error;
}

function timedOut(): Error {
  return new DOMException('The run took longer than its time limit.', 'TimeoutError');
}

async function failed(execution: Execution, error: unknown): Promise<string> {
  await execution.journal.quiet();
  execution.settling = true;
  await finish(execution, { status: 'failed', error });
  execution.live?.outcome?.fail(error);
  return 'failed';
}

async function run(execution: Execution, row: BeginningRow): Promise<SDKResult> {
  const { live, agent, process } = execution;
  const given = live ?? process.configuration;
  const runner = given.runner ?? runnerFor(given.runConfig, given.modelProvider);
  const session = (sessionId: string | null): SessionProtocol | undefined => {
    if (live?.session) return live.session;
    return sessionId === null ? undefined : new Session({ sessionId });
  };
  const beginning = await segmentStart(execution, row, session, runner.config);
  const sessionHere = session(beginning.sessionId);
  const options = {
    ...beginning.options,
    ...(live?.context && { context: live.context }),
    ...(sessionHere && { session: sessionHere }),
    ...(live?.errorHandlers && { errorHandlers: live.errorHandlers }),
    signal: execution.signal,
    stream: live?.stream ?? false,
  };
  const frame = new Frame(execution, '', beginning.added);
  const result: SDKResult = await within(frame, () =>
    runner.run(agent, sdkInput(beginning), options as never),
  );
  if (live && result instanceof StreamedRunResult) await consume(execution, result, live);
  return result;
}

async function consume(
  { signal }: Execution,
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own generics at their widest
  result: StreamedRunResult<any, any>,
  { processor }: Live,
): Promise<void> {
  await processor?.(result);
  await result.completed;
  if (result.error) throw result.error;
  if (!result.cancelled || signal.aborted) return;
  throw new ConfigurationError(
    'The result processor left the stream before the run had ended, which ends the run. Consume all ' +
      'of its events, or none.',
  );
}

async function agentOf({ database }: Process, runId: string): Promise<AnyAgent | undefined> {
  const [row] = await database.query<{ agent: string }>(
    'select agent from timestep.runs where run_id = $1',
    [runId],
    { repeatable: true },
  );
  if (!row) return undefined;
  try {
    return await registeredAgent(row.agent, { waitSeconds: AGENT_WAIT_SECONDS });
  } catch (error) {
    if (!(error instanceof AgentMismatchError)) throw error;
    warn(
      `run ${runId} waits for a process that has its agent: ${error.message}`,
      'TIMESTEP_AGENT_MISSING',
    );
    return undefined;
  }
}

/** Leaves the run to whoever has its agent. */
async function leaveToOthers({ database, instance }: Process, runId: string): Promise<void> {
  await database.query(
    `select timestep.release_run_v1(run_id, epoch) from timestep.runs
      where run_id = $1 and status in ('pending', 'running') and (owner is null or owner = $2)`,
    [runId, instance],
    { repeatable: true },
  );
}
