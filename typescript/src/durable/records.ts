/** What is read back about durable runs: their rows, as objects. */

import type { Runtime } from './configuration.ts';

/** How a durable run stands. */
export interface RunRecord {
  /** The run, which is its `workflowId`. */
  runId: string;
  /** The name of the agent that it began with. */
  agent: string;
  /** Its conversation. */
  sessionId: string | null;
  /** `interrupted`: it waits for decisions. */
  status: 'pending' | 'running' | 'interrupted' | 'completed' | 'failed' | 'cancelled';
  /** Which language executed it last, or is to execute it. */
  language: Runtime;
  /** How often it went on after a pause. */
  segment: number;
  /** How often it was taken up by a process. */
  epoch: number;
  /** A text or Responses API items. */
  input: string | Record<string, unknown>[];
  /** What it was started with, such as `max_turns` and `context`. */
  options: Record<string, unknown>;
  /** What the agent answered; null unless completed. */
  output: unknown;
  /** The class of what ended it; null unless failed. */
  errorType: string | null;
  /** What ended it in words, or why it was cancelled. */
  error: string | null;
  /** The queue that it was put in. */
  queueName: string | null;
  /** The schedule that started it. */
  schedule: string | null;
  /** Model calls of its agent loop; this and the following are counted when it pauses or ends. */
  turns: number;
  /** Model calls, those of agents as tools included. */
  requests: number;
  /** Tokens read by models. */
  inputTokens: number;
  /** Tokens written by models. */
  outputTokens: number;
  /** The sum of both. */
  totalTokens: number;
  /** When it was asked for. */
  createdAt: Date;
  /** When it was first executed. */
  startedAt: Date | null;
  /** When it last changed its status or its process. */
  updatedAt: Date;
  /** When it ended. */
  finishedAt: Date | null;
  /** When its time limit is over; null without one, and while it is paused. */
  deadlineAt: Date | null;
}

/** A model call or a tool call of a durable run. */
export interface StepRecord {
  /** Its name in the run, such as `m::0` for the first model call and `t:/<call id>`. */
  key: string;
  kind: 'model' | 'tool';
  /**
   * Of a tool that runs at most once also `started`, and `unknown` where it is not known whether the
   * call took effect.
   */
  status: 'done' | 'started' | 'unknown';
  /** The agent that called. */
  agent: string;
  /** The model or the tool. */
  name: string;
  /** The id of the tool call. */
  callId: string | null;
  /** What the tool was called with, as text. */
  arguments: string | null;
  /**
   * The items of the model's answer, or what the model was told of a tool call: a text or content
   * parts. Null: it has not ended.
   */
  output: string | Record<string, unknown>[] | null;
  /** Tokens that the model read. */
  inputTokens: number | null;
  /** Tokens that the model wrote. */
  outputTokens: number | null;
  /** The sum of both. */
  totalTokens: number | null;
  /** What the model call cost in US dollars, as text; null without a known price. */
  cost: string | null;
  /** Which language made the call. */
  language: Runtime;
  /** How often the run had gone on after a pause. */
  segment: number;
  /** When the call was made. */
  startedAt: Date | null;
  /** When it ended. */
  finishedAt: Date | null;
}

/** A call that a durable run waits for, or waited for. */
export interface ApprovalRecord {
  /** For `decideApproval`. */
  approvalId: string;
  /** The run. */
  runId: string;
  /** The session in which the run's state is saved. */
  sessionId: string;
  /** The agent that calls. */
  agent: string;
  /** What is to be called. */
  tool: string;
  /** The id of the call; null if the model gave none. */
  callId: string | null;
  /** The arguments as the model wrote them, as text. */
  arguments: string;
  /** What a person put in their place, as text. */
  argumentsUsed: string | null;
  status: 'pending' | 'approved' | 'rejected' | 'expired';
  /**
   * Null: the tool wants an approval. `outcome_unknown`: the process that made the call ended while
   * the call was running; approving makes it again.
   */
  reason: 'outcome_unknown' | null;
  /** What the model is told after a rejection; null: the SDK's words. */
  message: string | null;
  /** Whether the decision counts for further calls of the tool in this run. */
  always: boolean;
  /** Who decided. */
  decidedBy: string | null;
  /** Since when it waits. */
  createdAt: Date;
  /** When it was decided on. */
  decidedAt: Date | null;
  /** When it becomes a rejection; null: never. */
  expiresAt: Date | null;
}

/** A schedule of durable runs. */
export interface ScheduleRecord {
  name: string;
  /** Whose processes start its runs. */
  language: Runtime;
  /** When they start. */
  crontab: string;
  /** Where the crontab's times are; null: UTC. */
  timezone: string | null;
  /** The name of the agent. */
  agent: string;
  /** The conversation of every run. */
  sessionId: string | null;
  /** A text or Responses API items. */
  input: string | Record<string, unknown>[];
  /** What every run is started with. */
  options: Record<string, unknown>;
  /** The queue that the runs wait in. */
  queueName: string;
  /** When it was first made. */
  createdAt: Date;
  /** When it was last replaced. */
  updatedAt: Date;
}

/** What to select for each kind of record. */
export const RUN_COLUMNS = `run_id, agent, session_id, status, language, segment, epoch, input,
  options, output, error_type, error, queue_name, schedule, turns, requests, input_tokens,
  output_tokens, total_tokens, created_at, started_at, updated_at, finished_at, deadline_at`;
export const STEP_COLUMNS = `key, kind, status, agent, name, call_id, arguments, body,
  input_tokens, output_tokens, total_tokens, cost, language, segment, started_at, finished_at`;
export const APPROVAL_COLUMNS = `approval_id, run_id, session_id, agent, tool, call_id, arguments,
  arguments_used, status, reason, message, always, decided_by, created_at, decided_at, expires_at`;
export const SCHEDULE_COLUMNS = `name, language, crontab, timezone, agent, session_id, input,
  options, queue_name, created_at, updated_at`;

/** A row as users read it: `run_id` as `runId`, JSON parsed, of a step's body what it put out. */
export function record<Kind extends object>(row: object): Kind {
  return Object.fromEntries(Object.entries(row).map(member)) as Kind;
}

function member([column, value]: [string, unknown]): [string, unknown] {
  switch (column) {
    case 'input':
    case 'options':
    case 'output':
      return [column, parsed(value)];
    case 'body':
      return ['output', (parsed(value) as { output: unknown } | null)?.output ?? null];
    default:
      return [camelCased(column), value];
  }
}

function parsed(text: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : text;
}

function camelCased(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
