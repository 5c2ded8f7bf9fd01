/** Where an execution of a run begins: its input, a saved state, or what the journal tells. */

import {
  type AgentInputItem,
  type RunConfig,
  type Session as SessionProtocol,
  UserError,
} from '@openai/agents';
import { ApprovalConflictError } from '../errors.ts';
import { type PendingApproval, pendingApprovals } from '../runState/approvals.ts';
import { fromWireItems, type WireItem } from '../runState/items.ts';
import type { AnyRunState } from '../runState/native.ts';
import { RunStateStore } from '../runState/store.ts';
import { lastBoundary } from './boundary.ts';
import type { Execution } from './execution.ts';
import { closeRejected, leftUndecided, OUTCOME_UNKNOWN, REASON } from './unknownOutcome.ts';

/** What was decided on one call. */
export interface CallDecision {
  tool: string;
  argumentsSha256: string;
  argumentsUsed: string | null;
  /** Why a person was asked; null: the tool wants an approval. */
  reason: string | null;
}

/** What the SDK is told by itself; a state knows it already. */
export interface StartOptions {
  maxTurns?: number | null;
  context?: Record<string, unknown>;
  conversationId?: string;
  previousResponseId?: string;
}

/** What the SDK's runner is given. */
export interface Beginning {
  /** A text, wire items, or a state. */
  input: string | WireItem[] | AnyRunState;
  sessionId: string | null;
  options: StartOptions;
  /** How many items the run has added to its session before. */
  added: number;
}

/** What of a run's row tells where it begins. It is settled before the segment can be claimed. */
export interface BeginningRow {
  input: string;
  session_id: string | null;
  options: string;
  segment: number;
  state_session_id: string | null;
  state_version: number | null;
  session_items: number;
}

/** Of a run that has paused. */
type PausedRow = BeginningRow & { state_session_id: string; state_version: number };

export const BEGINNING =
  'r.input, r.session_id, r.options, r.segment, r.state_session_id, r.state_version, r.session_items';

/** Makes the run's session, given its id. */
export type SessionOf = (sessionId: string | null) => SessionProtocol | undefined;

/** Where this execution of the run begins. */
export async function segmentStart(
  execution: Execution,
  run: BeginningRow,
  session: SessionOf,
  config: Partial<RunConfig>,
): Promise<Beginning> {
  const { journal } = execution;
  if (journal.epoch > 1) await journal.read();
  if (run.segment > 0) return await afterPause(execution, run as PausedRow);
  const beginning: Beginning = {
    input: JSON.parse(run.input),
    sessionId: run.session_id,
    options: startOptions(JSON.parse(run.options)),
    added: 0,
  };
  const found = await lastBoundary(execution, beginning, session(run.session_id), config);
  return found ?? beginning;
}

/** The beginning's input as the SDK takes it. */
export function sdkInput({ input }: Beginning): string | AgentInputItem[] | AnyRunState {
  return Array.isArray(input) ? fromWireItems(input) : input;
}

function startOptions(stored: Record<string, unknown>): StartOptions {
  const { max_turns, context, conversation_id, previous_response_id } = stored;
  return {
    ...(max_turns !== undefined && { maxTurns: max_turns as number | null }),
    ...(context !== undefined && { context: context as Record<string, unknown> }),
    ...(conversation_id !== undefined && { conversationId: conversation_id as string }),
    ...(previous_response_id !== undefined && {
      previousResponseId: previous_response_id as string,
    }),
  };
}

async function afterPause(execution: Execution, run: PausedRow): Promise<Beginning> {
  await using store = new RunStateStore({
    agent: execution.agent,
    sessionId: run.state_session_id,
  });
  const context = execution.live?.context;
  const state = await store.load({ version: run.state_version, context });
  await decide(execution, state, run);
  const input = await leftUndecided(execution, state);
  return { input, sessionId: run.session_id, options: {}, added: run.session_items };
}

interface ApprovalRow {
  status: string;
  message: string | null;
  always: boolean;
  reason: string | null;
}

async function decide(execution: Execution, state: AnyRunState, run: PausedRow): Promise<void> {
  execution.decisions = await decisionsOf(execution);
  const rows = await execution.journal.database.query<ApprovalRow>(
    `select status, message, always, reason from timestep.approvals
      where session_id = $1 and version = $2 order by position`,
    [run.state_session_id, run.state_version],
    { repeatable: true },
  );
  const items = state.getInterruptions();
  const approvals = pendingApprovals(state);
  refuseSharedIds(approvals);
  for (const [i, known] of approvals.entries()) {
    const [item, row] = [items[i], rows[i]];
    if (!item || !row) continue;
    const decided = await told(execution, row, known);
    if (known.decision !== null && decided === row) continue;
    const { status, message, always } = decided;
    if (status === 'approved') state.approve(item, { alwaysApprove: always });
    else if (status === 'rejected' || status === 'expired') {
      state.reject(item, { alwaysReject: always, ...(message !== null && { message }) });
    } else {
      throw new ApprovalConflictError(
        `Run ${execution.journal.runId} was resumed, but nothing is decided on the call ` +
          `${known.callId} of ${known.tool}.`,
      );
    }
  }
}

/**
 * Refuses to resume where two nested runs wait under one id: an approval of one call would be the
 * other's too.
 */
function refuseSharedIds(approvals: readonly PendingApproval[]): void {
  const ids = approvals.map(({ callId }) => callId).filter((id) => id !== null);
  const shared = ids.find((id, i) => ids.indexOf(id) < i);
  if (shared === undefined) return;
  throw new UserError(
    `Several calls wait under one id, ${shared}, so that approving one would approve the others. ` +
      'Cancel the run, and start anew with a model that gives every call an id of its own.',
  );
}

/** The decision, with what the model is told of a call of unknown outcome that is not repeated. */
async function told(
  execution: Execution,
  row: ApprovalRow,
  { callId }: PendingApproval,
): Promise<ApprovalRow> {
  const isRejected = row.status === 'rejected' || row.status === 'expired';
  if (row.reason !== REASON || !isRejected) return row;
  // that it expired, or the SDK's words, would read as if the tool had never been called
  const message = (row.status === 'rejected' ? row.message : null) ?? OUTCOME_UNKNOWN;
  await closeRejected(execution, callId, message);
  return { ...row, message };
}

interface DecisionRow {
  call_id: string;
  tool: string;
  arguments_sha256: string;
  arguments_used: string | null;
  reason: string | null;
  status: string;
}

/** What was approved in this run, by call id. */
async function decisionsOf({ journal }: Execution): Promise<Map<string, CallDecision>> {
  const rows = await journal.database.query<DecisionRow>(
    `select distinct on (call_id) call_id, tool, arguments_sha256, arguments_used, reason, status
      from timestep.approvals
      where run_id = $1 and call_id is not null and status <> 'superseded'
      order by call_id, created_at desc, version desc`,
    [journal.runId],
    { repeatable: true },
  );
  const approved = rows.filter(({ status }) => status === 'approved');
  return new Map(
    approved.map(({ call_id, tool, arguments_sha256, arguments_used, reason }) => [
      call_id,
      { tool, argumentsSha256: arguments_sha256, argumentsUsed: arguments_used, reason },
    ]),
  );
}
