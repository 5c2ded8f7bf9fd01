/** Decisions on the calls that durable runs wait for. */

import { inspect } from 'node:util';
import { type Database, openDatabase } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { ApprovalConflictError, ConfigurationError, StateConflictError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import { checkLimit } from './reading.ts';
import { APPROVAL_COLUMNS, type ApprovalRecord, record } from './records.ts';

/** As the owner of a run: no executor, so that any reaper that has the agent takes it over. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';
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

const DECISION_NAMES: Names<Decision> = {
  approve: true,
  message: true,
  arguments: true,
  always: true,
  decidedBy: true,
};

interface ApprovalFilter {
  status?: ApprovalRecord['status'] | null | undefined;
  runId?: string | undefined;
  limit?: number | undefined;
}

const FILTER_NAMES: Names<ApprovalFilter> = { status: true, runId: true, limit: true };

/**
 * The calls of durable runs that wait for a decision, oldest first.
 *
 * @param options.status `pending`, `approved`, `rejected` or `expired`; `null` is any. Default:
 *   `pending`.
 * @param options.runId Only those of this run. Default: of all.
 * @param options.limit At most so many. Default: 100.
 * @throws ConfigurationError when the limit is no whole number, or negative.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function listApprovals(filter: ApprovalFilter = {}): Promise<ApprovalRecord[]> {
  checkOptions(filter, FILTER_NAMES);
  const { status = 'pending', runId, limit = 100 } = filter;
  checkLimit(limit);
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
 * @throws ConfigurationError when there is no such approval, `approve` is neither true nor false, or
 *   the arguments are no JSON object.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function decideApproval(
  approvalId: string,
  decision: Decision,
): Promise<ApprovalRecord> {
  checkOptions(decision, DECISION_NAMES);
  const { approve, message, arguments: given, always = false, decidedBy } = decision;
  checkApprove(approve);
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

interface Resumed {
  resumed: boolean;
  reason: string | null;
  segment: number;
  pending: number;
}

/**
 * Begins the next segment of a paused run and returns it; undefined if the run goes on already or has
 * ended.
 *
 * @param owner The instance that is about to execute it, or {@link NOBODY}.
 * @throws ApprovalConflictError when a decision is missing.
 * @throws StateConflictError when the run's saved state was resumed outside of the run.
 * @throws ConfigurationError when there is no such run.
 */
export async function nextSegment(
  database: Database,
  runId: string,
  owner: string,
): Promise<number | undefined> {
  const [row] = await database.query<Resumed>('select * from timestep.resume_run_v1($1, $2)', [
    runId,
    owner,
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

/** Anything else might be read as the opposite of what was meant. */
function checkApprove(approve: unknown): void {
  if (typeof approve === 'boolean') return;
  throw new ConfigurationError(`approve is ${inspect(approve)}; expected true or false.`);
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
