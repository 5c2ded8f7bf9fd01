/** Ending durable runs before their time, and removing those that have ended. */

import { type Database, openDatabase } from '../database/index.ts';
import { columnText } from '../documents.ts';
import { ConfigurationError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { configuration } from './configuration.ts';
import { withClient } from './dbosQueue.ts';
import { currentProcess } from './process.ts';

/**
 * End a run that has not ended; what it still does is not recorded.
 *
 * The process that executes it stops it within a sixth of its lease (5 seconds), or at its next step.
 *
 * @param options.reason Why, for `getRun`. Default: `cancelled by its user`.
 * @returns True if this call ended the run, false if it had ended before.
 * @throws ConfigurationError when there is no such run.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function cancelRun(
  runId: string,
  options: { reason?: string | undefined } = {},
): Promise<boolean> {
  checkOptions(options, { reason: true });
  const { reason = 'cancelled by its user' } = options;
  await using database = await openDatabase();
  const [row] = await database.query<{ before: string | null }>(
    'select timestep.cancel_run_v1($1, $2) as before',
    [runId, columnText(reason)],
  );
  const before = row?.before ?? null;
  if (before === null) {
    throw new ConfigurationError(`There is no run '${runId}' in ${database.location.display}.`);
  }
  currentProcess()?.active.get(runId)?.stop();
  return ['pending', 'running', 'interrupted'].includes(before);
}

/**
 * Remove runs that ended longer ago than that, with all that is theirs; returns how many.
 *
 * Conversations stay: they belong to their sessions.
 *
 * @param options.olderThanSeconds How long ago a run must have ended.
 * @throws ConfigurationError when the time is negative.
 */
export async function deleteRuns({
  olderThanSeconds,
}: {
  olderThanSeconds: number;
}): Promise<number> {
  if (!(olderThanSeconds >= 0)) {
    throw new ConfigurationError(
      `olderThanSeconds is ${olderThanSeconds}; expected no negative time.`,
    );
  }
  await using database = await openDatabase();
  const before = new Date(Date.now() - olderThanSeconds * 1000);
  for (let removed = 0; ; ) {
    const rows = await database.query<Removed>('select * from timestep.delete_runs_v1($1, 100)', [
      before,
    ]);
    if (rows.length === 0) return removed;
    removed += rows.length;
    await deleteWorkflows(database, rows);
  }
}

interface Removed {
  run_id: string;
  segment: number;
  epoch: number;
}

/** Removes what DBOS keeps of runs: a workflow for each segment and each taking over. */
async function deleteWorkflows(database: Database, runs: Removed[]): Promise<void> {
  const url = configuration().systemDatabaseUrl ?? database.location.url;
  const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);
  const ids = runs.flatMap(({ run_id, segment, epoch }) => [
    run_id,
    ...upTo(segment).map((number) => `${run_id}:r${number}`),
    ...upTo(epoch).map((number) => `${run_id}#${number}`),
  ]);
  await withClient(url, (client) => client.deleteWorkflows(ids));
}
