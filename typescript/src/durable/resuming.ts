/** Paused durable runs that go on. */

import { DBOS } from '@dbos-inc/dbos-sdk';
import { type Database, openDatabase } from '../database/index.ts';
import { ApprovalConflictError, ConfigurationError, StateConflictError } from '../errors.ts';
import type { AnyRunState } from '../runState/native.ts';
import { RunStateStore, type SavedVersion, savedVersion } from '../runState/store.ts';
import { NOBODY, nextSegment } from './approvals.ts';
import { type Live, runAgentBody } from './execution.ts';
import { outside } from './outside.ts';
import { currentProcess, type Process } from './process.ts';
import { registeredNames } from './registry.ts';
import { resultOf, type WorkflowResult } from './result.ts';
import { known, outcome, start } from './runs.ts';

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

interface RunRow {
  run_id: string;
  agent: string;
  status: string;
  session_id: string | null;
  state_session_id: string;
  state_version: number;
}

/**
 * Let a paused run go on, now that everything is decided.
 *
 * It goes on in this process if durable runs were launched here and its agent is known, otherwise
 * within 5 seconds in any process, of either language, that has its agent. A run that goes on already,
 * or has ended, is left as it is.
 *
 * @throws ApprovalConflictError when a decision is missing.
 * @throws StateConflictError when its saved state was resumed outside of the run.
 * @throws ConfigurationError when there is no such run.
 */
export async function resumeRun(runId: string): Promise<RunHandle> {
  await using database = await openDatabase();
  const owner = ownerOf(await runOf(database, runId));
  const segment = await nextSegment(database, runId, owner);
  if (segment !== undefined && owner !== NOBODY) await start(runId, undefined, { segment });
  return new RunHandle(runId);
}

/** Lets a paused run go on from its state, with the decisions taken on it. */
export async function resumeState(
  process: Process,
  state: AnyRunState,
  live: Live,
): Promise<WorkflowResult> {
  const { database, instance } = process;
  const saved = savedVersion(state);
  const run = saved && (await runOfVersion(database, saved));
  if (!saved || !run) {
    throw new ConfigurationError(
      "This state is not that of a paused durable run. Pass what toState() of the run's result " +
        'gave or what RunStateStore loaded of it; other states go to runAgent().',
    );
  }
  await checkSession(run, live.session);
  await known(process, live.agent);
  if (run.status === 'interrupted') {
    await noteDecisions(database, run, state, saved, live);
    const segment = await nextSegment(database, run.run_id, instance);
    if (segment !== undefined) await start(run.run_id, live, { segment });
  }
  return await outcome(process, run.run_id, live);
}

/** Lets a run go on whose approvals have expired. */
export async function resumeExpired({ database }: Process, runId: string): Promise<void> {
  const owner = ownerOf(await runOf(database, runId));
  const segment = await nextSegment(database, runId, owner);
  if (segment === undefined || owner === NOBODY) return;
  const workflow = { workflowID: `${runId}:r${segment}` };
  await outside(() => DBOS.startWorkflow(runAgentBody, workflow)({ run_id: runId, segment }));
}

/** This process, if it executes runs and has the run's agent. */
function ownerOf({ agent }: RunRow): string {
  const process = currentProcess();
  return process && registeredNames().includes(agent) ? process.instance : NOBODY;
}

async function checkSession(run: RunRow, session: Live['session']): Promise<void> {
  const given = await session?.getSessionId();
  if (given === undefined || given === run.session_id) return;
  throw new ConfigurationError(
    `The run "${run.run_id}" belongs to another session than "${given}". Leave the session out, or ` +
      'pass that of the run.',
  );
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
