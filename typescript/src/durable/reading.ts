/** Looking at durable runs and their steps; nothing is launched for it. */

import { inspect } from 'node:util';
import { openDatabase } from '../database/index.ts';
import { ConfigurationError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import { RUN_COLUMNS, type RunRecord, record, STEP_COLUMNS, type StepRecord } from './records.ts';

/** How a run stands; undefined when there is none. */
export async function getRun(runId: string): Promise<RunRecord | undefined> {
  await using database = await openDatabase();
  const [row] = await database.query(
    `select ${RUN_COLUMNS} from timestep.runs where run_id = $1`,
    [runId],
    { repeatable: true },
  );
  return row && record<RunRecord>(row);
}

/** Which runs {@link listRuns} returns. */
export interface RunFilter {
  /** Only of this status. Default: of any. */
  status?: RunRecord['status'] | undefined;
  /** Only of the agent of this name. Default: of any. */
  agent?: string | undefined;
  /** Only of this session. Default: of any. */
  sessionId?: string | undefined;
  /** At most so many. Default: 100. */
  limit?: number | undefined;
}

const NAMES: Names<RunFilter> = { status: true, agent: true, sessionId: true, limit: true };

/**
 * Runs, newest first.
 *
 * @throws ConfigurationError when the limit is no whole number, or negative.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function listRuns(filter: RunFilter = {}): Promise<RunRecord[]> {
  checkOptions(filter, NAMES);
  const { status, agent, sessionId, limit = 100 } = filter;
  checkLimit(limit);
  await using database = await openDatabase();
  const rows = await database.query(
    `select ${RUN_COLUMNS} from timestep.runs
      where status = coalesce($1, status) and agent = coalesce($2, agent)
        and ($3::text is null or session_id = $3)
      order by created_at desc, run_id limit $4`,
    [status ?? null, agent ?? null, sessionId ?? null, limit],
    { repeatable: true },
  );
  return rows.map((row) => record<RunRecord>(row));
}

/** The model calls and tool calls of a run in the order in which they ended. */
export async function listRunSteps(runId: string): Promise<StepRecord[]> {
  await using database = await openDatabase();
  const rows = await database.query(
    `select ${STEP_COLUMNS} from timestep.steps where run_id = $1 and kind <> 'session'
      order by finished_at nulls last, key`,
    [runId],
    { repeatable: true },
  );
  return rows.map((row) => record<StepRecord>(row));
}

/** @throws ConfigurationError when a list cannot be limited to so many rows. */
export function checkLimit(limit: unknown): void {
  if (Number.isSafeInteger(limit) && (limit as number) >= 0) return;
  throw new ConfigurationError(`limit is ${inspect(limit)}; expected a whole number, 0 or more.`);
}
