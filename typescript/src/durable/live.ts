/** What the caller of a run gave that only this process has. */

import type {
  ModelProvider,
  RunConfig,
  Runner,
  RunResult,
  Session as SessionProtocol,
  StreamedRunResult,
} from '@openai/agents';
import type { ResultProcessor, RunOptions } from '../runner.ts';
import type { AnyAgent } from '../runState/native.ts';
import type { BeginningRow } from './beginning.ts';

// biome-ignore-start lint/suspicious/noExplicitAny: the SDK's own generics at their widest
export type SDKResult = RunResult<any, any> | StreamedRunResult<any, any>;
export type StreamProcessor = ResultProcessor<StreamedRunResult<any, any>>;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

/** How the execution of a run in this process ends. */
export class Outcome {
  /** The result; undefined: it is said in the database only. */
  readonly result: Promise<SDKResult | undefined>;
  isKnown = false;
  readonly #resolve: (result: SDKResult | undefined) => void;
  readonly #reject: (error: unknown) => void;

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<SDKResult | undefined>();
    promise.catch(() => {}); // whoever waits for the run has the error
    this.result = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  tell(result: SDKResult | undefined): void {
    this.isKnown = true;
    this.#resolve(result);
  }

  fail(error: unknown): void {
    this.isKnown = true;
    this.#reject(error);
  }
}

/** What a process learns that asks for a run. */
export interface Claim {
  claimed: boolean;
  reason: string | null;
  epoch: number;
  deadline_seconds: number | null;
}

/** How an execution ended, as DBOS keeps it. */
export interface Ended {
  run_id: string;
  status: string;
}

export interface Live {
  agent: AnyAgent;
  session?: SessionProtocol | undefined;
  stream: boolean;
  processor: StreamProcessor | null;
  modelProvider?: ModelProvider | undefined;
  runConfig?: Partial<RunConfig> | undefined;
  runner?: Runner | undefined;
  context?: Record<string, unknown> | undefined;
  errorHandlers?: RunOptions['errorHandlers'];
  /** Which segment of the run is executed with it. */
  segment?: number;
  /** Where the run was claimed as it was made. */
  claim?: Claim & BeginningRow;
  outcome?: Outcome;
  /** The execution beside the run's workflow. */
  execution?: Promise<Ended>;
  /** Ends when DBOS has noted the end. */
  workflow?: Promise<void>;
}

/** What was asked for here and has not ended, by run. */
export const liveRuns = new Map<string, Live>();

/** Whether an execution of the run was started in this process and has not ended. */
export function isWaitedFor(runId: string): boolean {
  const outcome = liveRuns.get(runId)?.outcome;
  return outcome !== undefined && !outcome.isKnown;
}
