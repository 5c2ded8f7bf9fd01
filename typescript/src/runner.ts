/**
 * Run an agent, from its input or from a saved state, and leave nothing half-done.
 *
 * A state that was saved or loaded is claimed before it runs (runState/claim.ts). Where the run stops
 * decides what becomes of the claim:
 *
 * - finished: the saved version is done;
 * - paused again, or stopped by an error: the state it stopped in is saved as the next version;
 * - the process died: the claim runs out, and the version can be resumed again.
 */

import {
  type AgentInputItem,
  type IndividualRunOptions,
  type ModelProvider,
  type NonStreamRunOptions,
  type RunConfig,
  Runner,
  type RunResult,
  RunState,
  type Session as SessionProtocol,
  StreamedRunResult,
} from '@openai/agents';
import { warn } from './logger.ts';
import { MultiModelProvider } from './models/index.ts';
import { type Claim, lost } from './runState/claim.ts';
import { inputItems, sessionItem } from './runState/items.ts';
import type { AnyAgent, AnyRunState } from './runState/native.ts';
import { type SavedVersion, savedVersion } from './runState/store.ts';
import { writingUnderClaim } from './session.ts';

// biome-ignore-start lint/suspicious/noExplicitAny: the SDK's own generics at their widest
type ResultOf<TAgent extends AnyAgent, TStream extends boolean> = TStream extends true
  ? StreamedRunResult<any, TAgent>
  : RunResult<any, TAgent>;
type SDKResult = RunResult<any, any> | StreamedRunResult<any, any>;
type SDKOptions = IndividualRunOptions<any, any>;
type WholeRunOptions = NonStreamRunOptions<any, any>;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

/** A text, items (of the SDK or of the Responses API), or a saved or loaded state. */
export type RunInput = string | AgentInputItem[] | Record<string, unknown>[] | AnyRunState;

/** Called with the result of a run; see {@link runAgent}. */
export type ResultProcessor<TResult = SDKResult, TAnswer = unknown> = (
  result: TResult,
) => TAnswer | Promise<TAnswer>;

/** What a run comes to: what the processor returned, or the result where it returned nothing. */
export type Answer<TResult, TAnswer> = [TAnswer] extends [never]
  ? TResult
  : TAnswer extends undefined | null
    ? TResult
    : TAnswer extends void
      ? TResult
      : TAnswer;

/** What the SDK's `run` takes beside agent, input, session and stream, with its own defaults. */
export type RunOptions = Omit<SDKOptions, 'stream' | 'session'> & {
  /** Settings of the SDK's `Runner`. */
  runConfig?: Partial<RunConfig>;
  /** A runner of your own, for listeners (`runner.on(…)`); `runConfig` is then not used. */
  runner?: Runner;
};

/**
 * Consumes the stream, if there is one, and returns the result when the run has ended.
 *
 * @throws What the run raised, unchanged.
 */
export async function defaultResultProcessor<T extends SDKResult>(result: T): Promise<T> {
  if (result instanceof StreamedRunResult) {
    for await (const _ of result) {
      // Events are for processors that look at them.
    }
    await result.completed;
  }
  return result;
}

/**
 * Run the agent and return the SDK's own result.
 *
 * A state that was saved or loaded with `RunStateStore` is claimed first, so that it is resumed once;
 * when the run pauses again or fails, the state it stopped in is saved by itself.
 *
 * @param agent The agent to start with.
 * @param runInput A text, items, or a loaded state.
 * @param session Any session of the SDK or Timestep's `Session`; history is read from it and new
 *   items are added. Default: no history.
 * @param stream Whether the model's answer is streamed. Default: false.
 * @param resultProcessor Called with the result and awaited. What it returns is returned, or the
 *   result where it returns nothing. `null` skips it: a streamed result comes back while the run
 *   goes on. Default: {@link defaultResultProcessor}.
 * @param modelProvider Where model names lead. Default: the run config's own, else
 *   `new MultiModelProvider()`, for which `ollama/…` is Ollama and the rest OpenAI.
 * @param options What the SDK's `run` takes: `context`, `maxTurns`, `signal`, …
 * @returns `RunResult`, or `StreamedRunResult` with `stream`.
 * @throws StateConflictError when another process resumed this saved state first, or took it over.
 * @throws Errors of the SDK, the model client and the tools, unchanged.
 */
export async function runAgent<
  TAgent extends AnyAgent,
  const TStream extends boolean = false,
  TAnswer = never,
>(
  agent: TAgent,
  runInput: RunInput,
  session?: SessionProtocol,
  stream?: TStream,
  resultProcessor?: ResultProcessor<ResultOf<TAgent, TStream>, TAnswer> | null,
  modelProvider?: ModelProvider,
  options: RunOptions = {},
): Promise<Answer<ResultOf<TAgent, TStream>, TAnswer>> {
  const { runConfig, runner = runnerFor(runConfig, modelProvider), ...sdkOptions } = options;
  const process = resultProcessor === undefined ? defaultResultProcessor : resultProcessor;
  const input = Array.isArray(runInput) ? inputItems(runInput) : runInput;
  const start = (signal = sdkOptions.signal): Promise<SDKResult> =>
    runner.run(agent, input, {
      ...sdkOptions,
      ...(signal && { signal }),
      ...(session && { session }),
      stream: stream ?? false,
    } as WholeRunOptions);
  const saved = runInput instanceof RunState ? savedVersion(runInput) : undefined;
  const answer = saved
    ? await resume(
        saved,
        runInput as AnyRunState,
        session,
        start,
        process as ResultProcessor | null,
        sdkOptions.signal,
      )
    : await processed(await start(), process as ResultProcessor | null);
  return answer as Answer<ResultOf<TAgent, TStream>, TAnswer>;
}

async function resume(
  saved: SavedVersion,
  state: AnyRunState,
  session: SessionProtocol | undefined,
  start: (signal: AbortSignal) => Promise<SDKResult>,
  processor: ResultProcessor | null,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const resumption = await Resumption.begin(saved, state, session);
  const result = await resumption.run(start, signal);
  const answer = await resumption.explaining(processed(result, processor));
  if (resumption.ended) await resumption.settled;
  return answer;
}

/** One try at resuming a saved version: holds the claim until the run has stopped. */
class Resumption {
  /** Whether the run has stopped. */
  get ended(): boolean {
    return this.#stopped || (this.#result instanceof StreamedRunResult && !!this.#result.error);
  }
  /** Fulfilled when what the run came to is saved and the claim is let go of. */
  settled: Promise<void> = Promise.resolve();
  #stopped = false;
  #result: SDKResult | undefined;
  readonly #saved: SavedVersion;
  readonly #state: AnyRunState;
  readonly #session: SessionProtocol | undefined;
  readonly #claim: Claim;
  /** Where the run stood: its turn, and how often the model had answered. */
  readonly #turn: number;
  readonly #answers: number;

  private constructor(saved: SavedVersion, state: AnyRunState, session?: SessionProtocol) {
    this.#saved = saved;
    this.#state = state;
    this.#session = session;
    this.#claim = saved.claim as Claim;
    this.#turn = state._currentTurn;
    this.#answers = state._modelResponses.length;
  }

  static async begin(
    saved: SavedVersion,
    state: AnyRunState,
    session: SessionProtocol | undefined,
  ): Promise<Resumption> {
    return new Resumption(await saved.store.claim(saved, state), state, session);
  }

  /** Start the run; it is given a signal that also fires when the claim is lost. */
  async run(
    start: (signal: AbortSignal) => Promise<SDKResult>,
    signal: AbortSignal | undefined,
  ): Promise<SDKResult> {
    const loss = new AbortController();
    const stopRenewing = this.#claim.renewed(() => loss.abort());
    const either = signal ? AbortSignal.any([signal, loss.signal]) : loss.signal;
    const running = writingUnderClaim(this.#claim.token, () => start(either)).catch((error) => {
      this.#stopped = true; // before anybody hears of the error
      throw error;
    });
    const stopped = running.then((result): unknown => 'completed' in result && result.completed);
    this.settled = stopped
      .finally(() => {
        this.#stopped = true;
        stopRenewing();
      })
      .then(
        () => this.#settle(),
        () => this.#keepProgress(),
      );
    this.settled.catch((error) => warn(`${error}`, 'TIMESTEP_NOT_SETTLED'));
    this.#result = await this.explaining(running);
    return this.#result;
  }

  /** The outcome; an error that only came of a lost claim says so, once progress is saved. */
  async explaining<T>(outcome: Promise<T>): Promise<T> {
    try {
      return await outcome;
    } catch (error) {
      if (this.ended) await this.settled;
      throw this.#claim.isLost ? lost(this.#claim) : error;
    }
  }

  async #settle(): Promise<void> {
    await this.#saved.store.settle(this.#state, this.#saved);
  }

  /**
   * Save the state a failed run stopped in: calls that ran must not run again. A turn that the model
   * did not answer is tried again, so it does not count.
   */
  async #keepProgress(): Promise<void> {
    this.#state._currentTurn = this.#turn + this.#state._modelResponses.length - this.#answers;
    try {
      await writingUnderClaim(this.#claim.token, () => this.#catchUp());
      await this.#saved.store.settle(this.#state, this.#saved);
    } catch (error) {
      warn(
        `session ${this.#saved.sessionId}: the state in which the run failed could not be saved; ` +
          `version ${this.#claim.version} can be resumed again when its claim has run out: ${error}`,
        'TIMESTEP_NOT_SETTLED',
      );
    }
  }

  /** Give the session what the SDK would give it at the end of the next turn: Python's would not. */
  async #catchUp(): Promise<void> {
    const state = this.#state;
    const items = state._generatedItems.slice(state._currentTurnPersistedItemCount);
    const isBetweenTurns = state._currentStep?.type === 'next_step_run_again';
    if (!this.#session || !isBetweenTurns || items.length === 0) return;
    await this.#session.addItems(items.map((item) => sessionItem(item.rawItem as AgentInputItem)));
    state._currentTurnPersistedItemCount = state._generatedItems.length;
    state._currentTurnSessionWriteCompactedItemCount = undefined; // it belongs to the count before
  }
}

async function processed(result: SDKResult, processor: ResultProcessor | null): Promise<unknown> {
  if (processor === null) return result;
  return (await processor(result)) ?? result;
}

/**
 * The SDK's runner with Timestep's models.
 *
 * @internal
 */
export function runnerFor(
  runConfig: Partial<RunConfig> = {},
  modelProvider: ModelProvider | undefined,
): Runner {
  return new Runner({
    ...runConfig,
    modelProvider: modelProvider ?? runConfig.modelProvider ?? new MultiModelProvider(),
  });
}
