/** Decisions on the calls that durable runs wait for, and resuming them. */

import { DBOS } from '@dbos-inc/dbos-sdk';
import { type Database, openDatabase } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { ApprovalConflictError, ConfigurationError, StateConflictError } from '../errors.ts';
import type { AnyRunState } from '../runState/native.ts';
import { RunStateStore, type SavedVersion, savedVersion } from '../runState/store.ts';
import { configuration, type Runtime } from './configuration.ts';
import { enqueueOptions, withClient } from './dbosQueue.ts';
import { type Live, runAgentBody } from './execution.ts';
import { outside } from './outside.ts';
import { currentProcess, type Process } from './process.ts';
import { APPROVAL_COLUMNS, type ApprovalRecord, record } from './records.ts';
import { registeredNames } from './registry.ts';
import { resultOf, type WorkflowResult } from './result.ts';
import { known, outcome, start } from './runs.ts';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** What a person decides on a call. */
export interface Decision {
  /** True lets the tool be called. */
  approve: boolean;
  /** What the model is told after a rejection. Default: the SDK's words. */
  message?: string | undefined;
  /**
   * What the tool is called with in place of the model's arguments, as JSON text or an object; only
   * with `approve`. Default: the model's.
   */
  arguments?: string | Record<string, unknown> | undefined;
  /** The decision counts for further calls of this tool in this run, too. Default: false. */
  always?: boolean | undefined;
  /** Who decides, for the record. Default: nobody is named. */
  decidedBy?: string | undefined;
}

/** A durable run that is under way somewhere. */
export class RunHandle {
  /** The run. */
  readonly runId: string;

  constructor(runId: string) {
    this.runId = runId;
  }

  /**
   * Wait until the run has paused or ended, and return what it came to.
   *
   * @throws TimestepError when the run failed.
   */
  async getResult(): Promise<WorkflowResult> {
    await using database = await openDatabase();
    return await resultOf(database, this.runId, undefined);
  }
}

/**
 * The calls of durable runs that wait for a decision, oldest first.
 *
 * @param options.status `pending`, `approved`, `rejected` or `expired`; `null` is any. Default:
 *   `pending`.
 * @param options.runId Only those of this run. Default: of all.
 * @param options.limit At most so many. Default: 100.
 */
export async function listApprovals({
  status = 'pending',
  runId,
  limit = 100,
}: {
  status?: ApprovalRecord['status'] | null;
  runId?: string | undefined;
  limit?: number | undefined;
} = {}): Promise<ApprovalRecord[]> {
  await using database = await openDatabase();
  const rows = await database.query(
    `select ${APPROVAL_COLUMNS} from timestep.approvals where run_id is not null
      and status <> 'superseded' and status = coalesce($1, status)
      and run_id = coalesce($2, run_id) order by created_at, position limit $3`,
    [status, runId ?? null, limit],
    { repeatable: true },
  );
  return rows.map((row) => record<ApprovalRecord>(row));
}

interface Decided {
  outcome: 'decided' | 'same' | 'missing' | 'conflict' | 'expired';
  status: string;
  decided_by: string | null;
}

/**
 * Approve or reject a call that a run waits for; returns the approval.
 *
 * Of several decisions the first one counts. The run goes on when `resumeRun` is called.
 *
 * @param approvalId From `listApprovals`.
 * @throws ApprovalConflictError when it was decided otherwise before, or has expired.
 * @throws ConfigurationError when there is no such approval, or the arguments are no JSON object.
 */
export async function decideApproval(
  approvalId: string,
  { approve, message, arguments: given, always = false, decidedBy }: Decision,
): Promise<ApprovalRecord> {
  const edited = given === undefined ? null : editedArguments(given, approve);
  checkUuid(approvalId);
  await using database = await openDatabase();
  const [decided] = await database.query<Decided>(
    'select * from timestep.decide_approval_v1($1, $2, $3, $4, $5, $6)',
    [
      approvalId,
      approve ? 'approved' : 'rejected',
      columnText(message),
      edited,
      always,
      columnText(decidedBy),
    ],
  );
  if (!decided || decided.outcome === 'missing') {
    throw new ConfigurationError(`There is no approval ${approvalId} in this database.`);
  }
  if (decided.outcome !== 'decided' && decided.outcome !== 'same') {
    throw conflict(approvalId, decided);
  }
  const [row] = await database.query(
    `select ${APPROVAL_COLUMNS} from timestep.approvals where approval_id = $1`,
    [approvalId],
    { repeatable: true },
  );
  return record<ApprovalRecord>(row as object);
}

interface RunRow {
  run_id: string;
  agent: string;
  session_id: string | null;
  status: string;
  language: Runtime;
  state_session_id: string;
  state_version: number;
}

/**
 * Let a paused run go on, now that everything is decided.
 *
 * It goes on in this process if durable runs were launched here and its agent is known, otherwise in
 * a process of the language that ran it last. A run that goes on already, or has ended, is left as it
 * is.
 *
 * @throws ApprovalConflictError when a decision is missing.
 * @throws StateConflictError when its saved state was resumed outside of the run.
 * @throws ConfigurationError when there is no such run.
 */
export async function resumeRun(runId: string): Promise<RunHandle> {
  await using database = await openDatabase();
  const run = await runOf(database, runId);
  await goOn(database, run, placeFor(run, currentProcess()), undefined);
  return new RunHandle(runId);
}

/** Lets a paused run go on from its state, with the decisions taken on it. */
export async function resumeState(
  process: Process,
  state: AnyRunState,
  live: Live,
): Promise<WorkflowResult> {
  const saved = savedVersion(state);
  const run = saved && (await runOfVersion(process.database, saved));
  if (!saved || !run) {
    throw new ConfigurationError(
      "This state is not that of a paused durable run. Pass what toState() of the run's result " +
        'gave or what RunStateStore loaded of it; other states go to runAgent().',
    );
  }
  await checkSession(run, live.session);
  await known(process, live.agent);
  if (run.status === 'interrupted') {
    await noteDecisions(process.database, run, state, saved, live);
    await goOn(process.database, run, process, live);
  }
  return await outcome(process, run.run_id, live);
}

async function checkSession(run: RunRow, session: Live['session']): Promise<void> {
  const given = await session?.getSessionId();
  if (given === undefined || given === run.session_id) return;
  throw new ConfigurationError(
    `The run "${run.run_id}" belongs to another session than "${given}". Leave the session out, or ` +
      'pass that of the run.',
  );
}

/** Lets a run go on whose approvals have expired. */
export async function resumeHere(process: Process, runId: string): Promise<void> {
  const run = await runOf(process.database, runId);
  const segment = await nextSegment(process.database, runId, placeFor(run, process));
  if (segment === undefined) return;
  if (!placeFor(run, process)) return await enqueueSegment(process.database, run, segment);
  await outside(() =>
    DBOS.startWorkflow(runAgentBody, { workflowID: `${runId}:r${segment}` })({
      run_id: runId,
      segment,
    }),
  );
}

/** This process, if it has the run's agent. */
function placeFor({ agent }: RunRow, process: Process | undefined): Process | undefined {
  return registeredNames().includes(agent) ? process : undefined;
}

/** Begins the next segment, here or elsewhere, unless the run goes on already or has ended. */
async function goOn(
  database: Database,
  run: RunRow,
  process: Process | undefined,
  live: Live | undefined,
): Promise<void> {
  const segment = await nextSegment(database, run.run_id, process);
  if (segment === undefined) return;
  if (process) await start(run.run_id, live, { segment });
  else await enqueueSegment(database, run, segment);
}

interface Resumed {
  resumed: boolean;
  reason: string | null;
  segment: number;
  pending: number;
}

/** Begins the next segment and returns it; undefined if the run goes on already or has ended. */
async function nextSegment(
  database: Database,
  runId: string,
  process: Process | undefined,
): Promise<number | undefined> {
  const [row] = await database.query<Resumed>('select * from timestep.resume_run_v1($1, $2)', [
    runId,
    process?.instance ?? null,
  ]);
  const { resumed, reason, segment, pending } = row as Resumed;
  switch (reason) {
    case 'undecided':
      throw new ApprovalConflictError(
        `Run ${runId} cannot go on: ${pending} of its calls wait for a decision. ` +
          'listApprovals({ runId: … }) names them.',
      );
    case 'taken':
      throw new StateConflictError(
        `Run ${runId} cannot go on: its saved state was resumed outside of the run, by runAgent() ` +
          'or RunStateStore. Cancel the run.',
      );
    case 'missing':
      throw new ConfigurationError(`There is no run '${runId}' in this database.`);
  }
  return resumed ? segment : undefined;
}

/** Leaves the segment to a process of the language that ran the run last. */
async function enqueueSegment(
  database: Database,
  { run_id, language }: RunRow,
  segment: number,
): Promise<void> {
  const configured = configuration();
  const url = configured.systemDatabaseUrl ?? database.location.url;
  const options = enqueueOptions(configured, { runId: `${run_id}:r${segment}`, language });
  await withClient(url, (client) => client.enqueuePortable(options, [{ run_id, segment }]));
}

/** Saves the decisions that were taken on a state in memory, if there are any. */
async function noteDecisions(
  database: Database,
  run: RunRow,
  state: AnyRunState,
  saved: SavedVersion,
  live: Live,
): Promise<void> {
  if (run.state_session_id !== saved.sessionId || run.state_version !== saved.version) {
    throw new StateConflictError(
      `Run ${run.run_id} has paused again since this state was loaded. Load its newest state and ` +
        'decide on that.',
    );
  }
  await using store = new RunStateStore({ agent: live.agent, sessionId: saved.sessionId });
  const version = await store.save(state);
  if (version === saved.version) return;
  const [row] = await database.query<{ conflict: string | null }>(
    'select timestep.repoint_run_v1($1, $2, $3, $4) as conflict',
    [run.run_id, saved.sessionId, saved.version, version],
  );
  if (row?.conflict === 'decided') {
    throw new ApprovalConflictError(
      `Somebody else has decided otherwise on a call of run ${run.run_id}; ` +
        'listApprovals({ status: null, runId: … }) tells what.',
    );
  }
}

async function runOf(database: Database, runId: string): Promise<RunRow> {
  const [row] = await database.query<RunRow>('select * from timestep.runs where run_id = $1', [
    runId,
  ]);
  if (row) return row;
  throw new ConfigurationError(`There is no run '${runId}' in ${database.location.display}.`);
}

async function runOfVersion(
  database: Database,
  { sessionId, version }: SavedVersion,
): Promise<RunRow | undefined> {
  const [row] = await database.query<RunRow>(
    `select r.* from timestep.run_states v join timestep.runs r on r.run_id = v.run_id
      where v.session_id = $1 and v.version = $2`,
    [sessionId, version],
    { repeatable: true },
  );
  return row;
}

function editedArguments(given: string | Record<string, unknown>, approve: boolean): string {
  if (!approve) {
    throw new ConfigurationError('arguments are for an approved call; this one is rejected.');
  }
  const text = typeof given === 'string' ? given : dump(given);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigurationError(`arguments are no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigurationError('arguments are no JSON object, which a tool is called with.');
  }
  return columnText(text) as string;
}

function checkUuid(approvalId: string): void {
  if (UUID.test(approvalId)) return;
  throw new ConfigurationError(`'${approvalId}' is no approval id; listApprovals() has them.`);
}

function conflict(approvalId: string, { outcome, status, decided_by }: Decided): Error {
  if (outcome === 'expired') {
    return new ApprovalConflictError(`The approval ${approvalId} has expired: it is a rejection.`);
  }
  const by = decided_by ? ` by ${decided_by}` : '';
  return new ApprovalConflictError(
    `The approval ${approvalId} is ${status}${by} already; nothing was changed.`,
  );
}
