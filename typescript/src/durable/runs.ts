/** Durable runs, for their users: start one and wait for what it comes to. */

import { createHash, randomUUID } from 'node:crypto';
import { DBOS, type WorkflowHandle } from '@dbos-inc/dbos-sdk';
import {
  Agent,
  type AgentInputItem,
  type ModelProvider,
  type RunConfig,
  type Runner,
  RunState,
  type Session as SessionProtocol,
} from '@openai/agents';
import { columnText, dump } from '../documents.ts';
import { ConfigurationError, NotDurableError } from '../errors.ts';
import { info } from '../logger.ts';
import { checkOptions, type Names } from '../options.ts';
import { defaultResultProcessor, type RunOptions } from '../runner.ts';
import { inputItems as itemsFrom, toWireItems } from '../runState/items.ts';
import type { AnyAgent, AnyRunState } from '../runState/native.ts';
import { encode, kindOf } from '../runState/record.ts';
import { Session } from '../session.ts';
import type { BeginningRow } from './beginning.ts';
import type { Runtime } from './configuration.ts';
import { executeRun, runAgentBody } from './execution.ts';
import { launched } from './launch.ts';
import { type Claim, type Live, liveRuns, Outcome, type StreamProcessor } from './live.ts';
import { within } from './loop.ts';
import { outside } from './outside.ts';
import type { Process } from './process.ts';
import { refuseUnrecordable } from './recordedAgent.ts';
import { checkAgent, describeAgents, registerAgent } from './registry.ts';
import { resultOf, WorkflowResult } from './result.ts';
import { resumeState } from './resuming.ts';
import type { RunArgument } from './runArgument.ts';
import { calling } from './sql.ts';

const CREATE = calling('create_run_v1', 11);
// a run that is there is not claimed: it may be executed already
const CREATE_CLAIMED = `select c.created, c.conflict, k.* from (${CREATE}) c cross join lateral
  timestep.claim_run_v1(case when c.created then $1 end, $5, 'typescript', 0, null, $1) k`;
const DEFAULT_MAX_TURNS = 10;
const LONGEST_ID = 500; // characters of a workflowId

/** What a durable run takes beside its input. */
export interface DurableOptions {
  /** For the tools: a plain object that JSON can hold, kept for later executions. */
  context?: Record<string, unknown> | undefined;
  /** As for the SDK's `run`. */
  maxTurns?: number | null | undefined;
  /**
   * Settings of the SDK's `Runner`; a later execution in another process uses those given to
   * `configureDBOS`.
   */
  runConfig?: Partial<RunConfig> | undefined;
  /** A runner of your own, for listeners; `runConfig` is then not used. For this process, as that. */
  runner?: Runner | undefined;
  /** As for the SDK's `run`. */
  errorHandlers?: RunOptions['errorHandlers'];
  /** As for the SDK's `run`. */
  previousResponseId?: string | undefined;
  /** As for the SDK's `run`. */
  conversationId?: string | undefined;
  /** After how many seconds a decision that nobody took is a rejection. Default: never. */
  approvalSeconds?: number | undefined;
}

const DURABLE_NAMES: Names<DurableOptions> = {
  context: true,
  maxTurns: true,
  runConfig: true,
  runner: true,
  errorHandlers: true,
  previousResponseId: true,
  conversationId: true,
  approvalSeconds: true,
};

/** What {@link runAgentWorkflow} takes. */
export interface WorkflowOptions extends DurableOptions {
  /** The agent to start with. */
  agent: AnyAgent;
  /** A text, items, or the state of a paused durable run, which goes on then. */
  inputItems: string | AgentInputItem[] | Record<string, unknown>[] | AnyRunState;
  /** Where history is read from and added to. Default: no history; with a state, the run's session. */
  session?: SessionProtocol | undefined;
  /** Whether models answer as a stream. Default: false. */
  stream?: boolean | undefined;
  /**
   * Given the SDK's streamed result, in this process only; it may consume the events. Default:
   * `defaultResultProcessor`.
   */
  resultProcessor?: StreamProcessor | null | undefined;
  /** As for `runAgent`. */
  modelProvider?: ModelProvider | undefined;
  /** For how long it may run; pauses do not count. Default: no limit. */
  timeoutSeconds?: number | undefined;
  /** The name of the run: the same one is the same run, wherever it was started. Default: a random one. */
  workflowId?: string | undefined;
}

const NAMES: Names<WorkflowOptions> = {
  agent: true,
  inputItems: true,
  session: true,
  stream: true,
  resultProcessor: true,
  modelProvider: true,
  timeoutSeconds: true,
  workflowId: true,
  ...DURABLE_NAMES,
};

/**
 * Run the agent so that the run outlives this process, and return what it comes to.
 *
 * Every answer of a model and every result of a tool is recorded when it is there. If the process
 * dies, another one that has the agent, in either language, goes on from the record.
 *
 * @throws NotDurableError when something about the run cannot be recorded; it was not started.
 * @throws ConfigurationError when a run of this id has another input, agent or session.
 * @throws TypeError when there is no option of a name that was given.
 * @throws TimestepError when the run failed in another process, or before.
 * @throws What ended the run in this process, unchanged.
 */
export async function runAgentWorkflow(given: WorkflowOptions): Promise<WorkflowResult>;
/** The same; the arguments in the order of `runAgent`. */
export async function runAgentWorkflow(
  agent: AnyAgent,
  inputItems: WorkflowOptions['inputItems'],
  session?: SessionProtocol,
  stream?: boolean,
  resultProcessor?: StreamProcessor | null,
  modelProvider?: ModelProvider,
  timeoutSeconds?: number,
  workflowId?: string,
  options?: DurableOptions,
): Promise<WorkflowResult>;
export async function runAgentWorkflow(
  first: AnyAgent | WorkflowOptions,
  inputItems: WorkflowOptions['inputItems'] = '',
  session?: SessionProtocol,
  stream?: boolean,
  resultProcessor?: StreamProcessor | null,
  modelProvider?: ModelProvider,
  timeoutSeconds?: number,
  workflowId?: string,
  options?: DurableOptions,
): Promise<WorkflowResult> {
  if (!(first instanceof Agent)) return await runGiven(first as WorkflowOptions);
  checkOptions(options ?? {}, DURABLE_NAMES);
  const own = { inputItems, session, stream, resultProcessor, modelProvider };
  return await runGiven({ ...options, agent: first, ...own, timeoutSeconds, workflowId });
}

async function runGiven({ inputItems, ...given }: WorkflowOptions): Promise<WorkflowResult> {
  checkAgent(given.agent);
  checkOptions(given, NAMES);
  const live = liveOf(given);
  if (inputItems instanceof RunState) {
    refuse(given);
    return await resumeState((await launched()).process, inputItems, live);
  }
  const request = requested({ ...given, inputItems });
  const { process } = await launched();
  await known(process, given.agent);
  if (await make(process, request, live)) {
    await start(request.runId, live, { segment: 0 });
  }
  return await outcome(process, request.runId, live);
}

function liveOf(given: Omit<WorkflowOptions, 'inputItems'>): Live {
  const { agent, session, stream = false, modelProvider, runConfig, runner, context } = given;
  const processor =
    given.resultProcessor === undefined ? defaultResultProcessor : given.resultProcessor;
  const { errorHandlers } = given;
  return {
    agent,
    session,
    stream,
    processor,
    modelProvider,
    runConfig,
    runner,
    context,
    ...(errorHandlers && { errorHandlers }),
  };
}

/** A run to be made, checked. */
export interface Request {
  runId: string;
  agent: AnyAgent;
  session: Session | null;
  input: string;
  inputSha256: string;
  options: string;
  timeoutSeconds: number | null;
  queueName: string | null;
  schedule: string | null;
  language: Runtime;
}

/** What a run is made of. */
export interface Requested extends DurableOptions {
  agent: AnyAgent;
  inputItems: string | AgentInputItem[] | Record<string, unknown>[];
  session?: SessionProtocol | undefined;
  workflowId?: string | undefined;
  timeoutSeconds?: number | undefined;
  queueName?: string | undefined;
  schedule?: string | undefined;
  language?: Runtime | undefined;
}

/**
 * A run to be made.
 *
 * @throws ConfigurationError when a value cannot be used.
 * @throws NotDurableError when something about it cannot be recorded or kept.
 */
export function requested(given: Requested): Request {
  const { agent, inputItems, session, workflowId, timeoutSeconds } = given;
  if (workflowId !== undefined) checkId(workflowId);
  if (timeoutSeconds !== undefined && !(timeoutSeconds > 0)) {
    throw new ConfigurationError(`timeoutSeconds is ${timeoutSeconds}; expected more than 0.`);
  }
  refuse(given);
  const wire = typeof inputItems === 'string' ? inputItems : toWireItems(itemsFrom(inputItems));
  return {
    runId: workflowId ?? randomUUID(),
    agent,
    session: (session as Session | undefined) ?? null,
    input: dump(wire),
    inputSha256: createHash('sha256').update(encode(wire)).digest('hex'),
    options: stored(given),
    timeoutSeconds: timeoutSeconds ?? null,
    queueName: given.queueName ?? null,
    schedule: given.schedule ?? null,
    language: given.language ?? 'typescript',
  };
}

function checkId(id: unknown): void {
  const isText = typeof id === 'string' && id.trim() !== '' && !id.includes('\0');
  if (isText && [...id].length <= LONGEST_ID) return;
  throw new ConfigurationError(
    `workflowId is ${JSON.stringify(id).slice(0, 80)}; expected a text of 1 to ${LONGEST_ID} ` +
      'characters that is not blank and has no NUL, or nothing for a new id.',
  );
}

/** Refuses what cannot be recorded before anything is started. */
function refuse({ agent, session }: Pick<Requested, 'agent' | 'session'>): void {
  checkAgent(agent);
  refuseUnrecordable(agent);
  if (session === undefined || session instanceof Session) return;
  throw new NotDurableError(
    `The session is ${kindOf(session)}, which another process that goes on with the run would not ` +
      "have: use Timestep's Session.",
  );
}

function stored(given: DurableOptions): string {
  const { context, maxTurns = DEFAULT_MAX_TURNS } = given;
  if (context !== undefined && Object.getPrototypeOf(context) !== Object.prototype) {
    throw new NotDurableError(
      `The context is ${kindOf(context)}, which a later execution could not have: a durable run ` +
        'takes a plain object that JSON can hold.',
    );
  }
  try {
    return dump({
      context,
      conversation_id: given.conversationId,
      previous_response_id: given.previousResponseId,
      approval_seconds: given.approvalSeconds,
      max_turns: maxTurns,
    });
  } catch (error) {
    throw new NotDurableError(
      `The context cannot be kept for a later execution: ${(error as Error).message}`,
    );
  }
}

/** Makes the agent known to this process and describes it in the database. */
export async function known({ database }: Process, agent: AnyAgent): Promise<void> {
  registerAgent(agent);
  await describeAgents(database, agent);
}

interface Made {
  created: boolean;
  conflict: string | null;
}

/**
 * Makes the run; false if it is there.
 *
 * @throws ConfigurationError when the run that is there has another input, agent or session.
 */
export async function create(
  process: Process,
  request: Request,
  { owner }: { owner: string | null },
): Promise<boolean> {
  const [made] = await process.database.query<Made>(CREATE, valuesOf(request, owner));
  return await isNew(process, request, made as Made);
}

/** Makes the run as this process's; false if it is there. */
async function make(process: Process, request: Request, live: Live): Promise<boolean> {
  const values = valuesOf(request, process.instance);
  const [row] = await process.database.query<Made & Claim>(CREATE_CLAIMED, values);
  const made = row as Made & Claim;
  live.claim = { ...made, ...beginningOf(request) };
  return await isNew(process, request, made);
}

function beginningOf({ input, options, session }: Request): BeginningRow {
  const notPaused = { state_session_id: null, state_version: null, session_items: 0 };
  return { input, options, session_id: session?.sessionId ?? null, segment: 0, ...notPaused };
}

function valuesOf(request: Request, owner: string | null): unknown[] {
  return [
    request.runId,
    columnText(request.agent.name),
    request.session?.sessionId ?? null,
    request.language,
    owner,
    request.input,
    request.inputSha256,
    request.options,
    request.queueName,
    request.schedule,
    request.timeoutSeconds,
  ];
}

async function isNew(
  process: Process,
  request: Request,
  { created, conflict }: Made,
): Promise<boolean> {
  if (conflict === null) return created;
  if (conflict === 'session' && (await continuesItsSession(process, request))) return false;
  throw new ConfigurationError(
    `The run '${request.runId}' exists with another ${conflict}: one workflowId is one run. Use a ` +
      'new workflowId, or pass what the run was started with.',
  );
}

/** Makes a session that is new that of the run: a program that starts again makes a new one. */
async function continuesItsSession(
  { database }: Process,
  { runId, session }: Request,
): Promise<boolean> {
  const [row] = await database.query<{ session_id: string }>(
    'select session_id from timestep.runs where run_id = $1 and session_id is not null',
    [runId],
    { repeatable: true },
  );
  return row !== undefined && session?.become(row.session_id) === true;
}

/** Executes a run, or its next segment, in this process. */
export async function start(
  runId: string,
  live: Live | undefined,
  { segment }: { segment: number },
): Promise<void> {
  const workflowId = segment === 0 ? runId : `${runId}:r${segment}`;
  const run = { run_id: runId, segment };
  // a run that a tool of another one starts belongs to nobody but itself
  const apart = <R>(work: () => R) =>
    DBOS.isWithinWorkflow() ? outside(work) : within(undefined, work);
  const begin = () => DBOS.startWorkflow(runAgentBody, { workflowID: workflowId })(run);
  if (!live) {
    await apart(begin);
    return;
  }
  live.outcome = new Outcome();
  live.segment = segment;
  liveRuns.set(runId, live);
  live.execution = apart(() => executeRun(run, live, { workflowId }));
  live.workflow = apart(() => frame(run, live, begin));
}

/** Has DBOS note the run beside its execution, and note its end. */
async function frame(
  { run_id }: RunArgument,
  live: Live,
  begin: () => Promise<WorkflowHandle<unknown>>,
): Promise<void> {
  const executed = Promise.allSettled([live.execution]);
  try {
    await (await begin()).getResult();
  } catch (error) {
    info('workflow of run %s: %s', run_id, error); // what became of it lies in timestep.runs
  } finally {
    await executed;
    if (liveRuns.get(run_id) === live) liveRuns.delete(run_id);
  }
}

/** Waits for what a run comes to; an error in this process is thrown as it is. */
export async function outcome(
  { database }: Process,
  runId: string,
  live: Live,
): Promise<WorkflowResult> {
  if (!live.outcome) return await resultOf(database, runId, live.agent);
  // DBOS notes the end too; the process may end when this returns
  const result = await live.outcome.result.finally(() => live.workflow);
  if (!result || result.interruptions.length > 0)
    return await resultOf(database, runId, live.agent);
  const { finalOutput, state } = result;
  return new WorkflowResult({ runId, status: 'completed', finalOutput, usage: state.usage });
}
