/**
 * Limits on model calls and tokens, shared by all processes of both languages.
 *
 * - Who decides: PostgreSQL (`reserve_model_call_v1`): calls get their times in the order of asking.
 * - What time means: the database's clock. A call waits until its time, never less.
 * - On failure: a process that dies with a reserved time has used it up; no window holds more calls
 *   than allowed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelRequest } from '@openai/agents';
import { openDatabase } from '../database/index.ts';
import { columnText } from '../documents.ts';
import { ConfigurationError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import { currentProcess, type Process } from './process.ts';

const REREAD_MS = 10_000;
const CHARACTERS_PER_TOKEN = 4;

export interface ModelRateLimitOptions {
  /** Model calls. Default: any number. */
  requests?: number | undefined;
  /** Tokens of input and output; estimated before a call, corrected after it. Default: any number. */
  tokens?: number | undefined;
  /** The length of the period in seconds. Default: 60. */
  perSeconds?: number | undefined;
}

const NAMES: Names<ModelRateLimitOptions> = { requests: true, tokens: true, perSeconds: true };

/**
 * How many model calls and tokens are allowed in a period, in any window of that length.
 *
 * @throws ConfigurationError when it limits nothing or everything.
 * @throws TypeError when there is no option of a name that was given.
 */
export class ModelRateLimit {
  readonly requests: number | undefined;
  readonly tokens: number | undefined;
  readonly perSeconds: number;

  constructor(given: ModelRateLimitOptions) {
    checkOptions(given, NAMES);
    const { requests, tokens, perSeconds = 60 } = given;
    if (requests === undefined && tokens === undefined) {
      throw new ConfigurationError('A ModelRateLimit needs requests, tokens, or both.');
    }
    for (const [name, value] of Object.entries({ requests, tokens })) {
      if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
      throw new ConfigurationError(`${name} is ${value}; expected a whole number from 1 on.`);
    }
    if (!(perSeconds > 0 && Number.isFinite(perSeconds))) {
      throw new ConfigurationError(`perSeconds is ${perSeconds}; expected more than 0 seconds.`);
    }
    this.requests = requests;
    this.tokens = tokens;
    this.perSeconds = perSeconds;
  }
}

/**
 * Limit the model calls of durable runs, in every process of both languages.
 *
 * Processes that run already notice within 10 seconds.
 *
 * @param modelOrProvider A model's name as agents give it (`gpt-4.1`, `ollama/llama3`), or that of a
 *   provider (`openai`, `ollama`) for all its models together.
 * @param limit What is allowed; `null` removes the limit.
 * @throws ConfigurationError when the name is empty.
 */
export async function setRateLimit(
  modelOrProvider: string,
  limit: ModelRateLimit | null,
): Promise<void> {
  const name = withoutPrefix(modelOrProvider.trim());
  if (!name) {
    throw new ConfigurationError('Which model or provider is to be limited? The name is empty.');
  }
  await using database = await openDatabase();
  if (limit === null) {
    await database.query('delete from timestep.rate_limits where name = $1', [columnText(name)], {
      repeatable: true,
    });
  } else {
    await database.query(
      `insert into timestep.rate_limits (name, requests, tokens, per_seconds)
        values ($1, $2, $3, $4) on conflict (name) do update set requests = excluded.requests,
        tokens = excluded.tokens, per_seconds = excluded.per_seconds, updated_at = now()`,
      [columnText(name), limit.requests ?? null, limit.tokens ?? null, limit.perSeconds],
      { repeatable: true },
    );
  }
  const process = currentProcess();
  if (process) process.limitsReadAt = Number.NEGATIVE_INFINITY;
}

/** A model call that was given its time. Its tokens are counted when it is disposed. */
export class PacedCall implements AsyncDisposable {
  readonly #process: Process;
  readonly #slots: unknown;
  #tokens: number | undefined;

  constructor(process: Process, slots: unknown) {
    this.#process = process;
    this.#slots = slots;
  }

  /** Notes what the call used. */
  used({ totalTokens }: { totalTokens: number }): void {
    this.#tokens = totalTokens;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#slots === undefined || this.#tokens === undefined) return;
    await this.#process.database.query(
      'select timestep.settle_model_call_v1($1, $2)',
      [this.#slots, this.#tokens],
      { repeatable: true },
    );
  }
}

/**
 * Waits until a model call may be made: `await using call = await paced(…)`.
 *
 * @param model The model's name as the agent gives it.
 * @throws What the request's signal was aborted with.
 */
export async function paced(
  process: Process,
  model: string,
  request: ModelRequest,
): Promise<PacedCall> {
  const names = namesOf(model);
  if (!(await areLimited(process, names))) return new PacedCall(process, undefined);
  const [given] = await process.database.query<{ wait_seconds: number; slots: unknown }>(
    'select wait_seconds, slots from timestep.reserve_model_call_v1($1, $2)',
    [names, estimate(request)],
    { repeatable: true }, // at worst a time is given to nobody
  );
  await sleep(Math.ceil((given?.wait_seconds ?? 0) * 1000), undefined, signalOf(request));
  return new PacedCall(process, given?.slots);
}

/** The names under which a model may be limited: its own and its provider's. */
export function namesOf(model: string): string[] {
  const name = withoutPrefix(model);
  return [name, name.includes('/') ? name.slice(0, name.indexOf('/')) : 'openai'];
}

/** About how many tokens a model call will use. */
export function estimate({ systemInstructions, input, modelSettings }: ModelRequest): number {
  const text = (systemInstructions ?? '') + JSON.stringify(input);
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN) + (modelSettings.maxTokens ?? 0);
}

async function areLimited(process: Process, names: string[]): Promise<boolean> {
  const askedAt = performance.now();
  if (askedAt - process.limitsReadAt > REREAD_MS) {
    const rows = await process.database.query<{ name: string }>(
      'select name from timestep.rate_limits',
      [],
      { repeatable: true },
    );
    // noted only now: until it is there, every call has to ask for itself
    process.limited = new Set(rows.map(({ name }) => name));
    process.limitsReadAt = askedAt;
  }
  return names.some((name) => process.limited.has(name));
}

function signalOf({ signal }: ModelRequest): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function withoutPrefix(name: string): string {
  return name.startsWith('openai/') ? name.slice('openai/'.length) : name;
}
