/** Agents that outlive their process and their language. */

export {
  type ApprovalRecord,
  cancelRun,
  cleanupDBOS,
  configureDBOS,
  createScheduledAgentWorkflow,
  type DBOSOptions,
  type DurableOptions,
  type DurableToolOptions,
  decideApproval,
  deleteRuns,
  deleteSchedule,
  durableTool,
  ensureDBOSLaunched,
  getRun,
  idempotencyKey,
  listApprovals,
  listRunSteps,
  listRuns,
  listSchedules,
  ModelRateLimit,
  type ModelRateLimitOptions,
  markAtMostOnce,
  type QueuedRun,
  type QueueLimits,
  type QueueOptions,
  queueAgentWorkflow,
  type RunFilter,
  RunHandle,
  type RunRecord,
  resumeRun,
  runAgentWorkflow,
  type ScheduleOptions,
  type ScheduleRecord,
  type StepRecord,
  setRateLimit,
  type WorkflowOptions,
  WorkflowResult,
} from './durable/index.ts';
export * from './errors.ts';
export { MultiModelProvider, MultiModelProviderMap, OllamaModelProvider } from './models/index.ts';
export {
  defaultResultProcessor,
  type ResultProcessor,
  type RunInput,
  type RunOptions,
  runAgent,
} from './runner.ts';
export { RunStateStore, type RunStateStoreOptions } from './runState/store.ts';
export { Session, type SessionOptions } from './session.ts';
export { webSearch } from './tools/index.ts';
