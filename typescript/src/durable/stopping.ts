/** How an execution ends: the run has finished, failed, or waits for decisions. */

import { columnText, dump } from '../documents.ts';
import { forgetSaved, RunStateStore } from '../runState/store.ts';
import type { Execution } from './execution.ts';
import { words } from './failure.ts';
import type { SDKResult } from './live.ts';
import { calling } from './sql.ts';

const FINISH = calling('finish_run_v1', 11);
const PAUSE = calling('pause_run_v1', 10);

/** How a run ends. */
export type End =
  | { status: 'completed'; result: SDKResult; error?: undefined }
  | { status: 'failed'; error: unknown; result?: undefined };

/**
 * Writes the end of a run.
 *
 * @throws RunOwnershipLostError when the run has another owner.
 */
export async function finish({ journal }: Execution, end: End): Promise<void> {
  const [row] = await journal.database.query<{ finish_run_v1: boolean }>(
    FINISH,
    [
      journal.runId,
      journal.epoch,
      end.status,
      end.result ? asJson(end.result.finalOutput) : null,
      end.result ? null : columnText(nameOf(end.error)),
      end.result ? null : columnText(words(end.error)),
      ...counts(end.result),
    ],
    { repeatable: true },
  );
  if (row?.finish_run_v1) return;
  // it may have been the first of two equal statements that did it
  const before = await journal.database.query(
    'select from timestep.runs where run_id = $1 and epoch = $2 and status = $3',
    [journal.runId, journal.epoch, end.status],
    { repeatable: true },
  );
  if (before.length === 0) throw journal.ownershipLost();
}

/**
 * Saves the state of a run that waits for decisions, and lets go of the run.
 *
 * @throws RunOwnershipLostError when the run has another owner.
 */
export async function pause({ journal, agent }: Execution, result: SDKResult): Promise<void> {
  const [row] = await journal.database.query<{ options: string; key: string }>(
    `select r.options, timestep.state_key_v1(r.run_id, r.session_id) as key
      from timestep.runs r where r.run_id = $1`,
    [journal.runId],
    { repeatable: true },
  );
  const { options, key } = row as { options: string; key: string };
  const { approval_seconds = null } = JSON.parse(options);
  await using store = new RunStateStore({ agent, sessionId: key });
  // what the segment was loaded from belongs to the run: this is a new version after it
  forgetSaved(result.state);
  const version = await store.save(result.state);
  const [paused] = await journal.database.query<{ pause_run_v1: boolean }>(
    PAUSE,
    [journal.runId, journal.epoch, key, version, approval_seconds, ...counts(result)],
    { repeatable: true },
  );
  if (!paused?.pause_run_v1) throw journal.ownershipLost();
}

type Counts = [turns: number, requests: number, input: number, output: number, total: number];

function counts(result: SDKResult | undefined): Counts {
  if (!result) return [0, 0, 0, 0, 0];
  const { requests, inputTokens, outputTokens, totalTokens } = result.state.usage;
  return [result.rawResponses.length, requests, inputTokens, outputTokens, totalTokens];
}

/** A final output as JSON text. */
function asJson(value: unknown): string {
  try {
    return dump(value ?? null);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return dump(String(value));
    throw error;
  }
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return error.name === 'Error' ? error.constructor.name : error.name;
}
