/** Durable runs: they outlive their process, and either language finishes them. */

export { type Decision, decideApproval, listApprovals } from './approvals.ts';
export { configureDBOS, type DBOSOptions, type QueueLimits } from './configuration.ts';
export { cancelRun, deleteRuns } from './endings.ts';
export { cleanupDBOS, ensureDBOSLaunched } from './launch.ts';
export { type QueuedRun, type QueueOptions, queueAgentWorkflow } from './queue.ts';
export { ModelRateLimit, type ModelRateLimitOptions, setRateLimit } from './rateLimit.ts';
export { getRun, listRunSteps, listRuns, type RunFilter } from './reading.ts';
export type { ApprovalRecord, RunRecord, ScheduleRecord, StepRecord } from './records.ts';
export { WorkflowResult } from './result.ts';
export { RunHandle, resumeRun } from './resuming.ts';
export {
  type DurableOptions,
  runAgentWorkflow,
  type WorkflowOptions,
} from './runs.ts';
export {
  createScheduledAgentWorkflow,
  deleteSchedule,
  listSchedules,
  type ScheduleOptions,
} from './schedule.ts';
export { type DurableToolOptions, durableTool, idempotencyKey, markAtMostOnce } from './tools.ts';
