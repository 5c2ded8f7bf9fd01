/**
 * One writer for the journals of all runs that this process executes.
 *
 * - Who decides: PostgreSQL, for each step by itself: one that is refused does not hinder the others.
 * - What time means: steps are written in the order in which they come. Those that come while a
 *   commit is under way, or in the same turn of the event loop, share one.
 * - On failure: a commit that got no answer is sent once more; the same row twice is one row. If one
 *   of several steps cannot be written, each is written by itself.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../database/index.ts';
import { DatabaseUnavailableError } from '../errors.ts';
import { info } from '../logger.ts';
import { outside } from './outside.ts';
import { calling } from './sql.ts';

/** Of what record_step_v2 takes. */
const TYPES = [
  ...['text', 'bigint', 'text', 'text', 'text', 'text', 'text', 'text', 'text', 'text'],
  ...['bigint', 'bigint', 'bigint', 'text', 'timestamptz', 'numeric', 'text'],
];
const ONE = calling('record_step_v2', TYPES.length);
const NAMES = TYPES.map((_, index) => `v${index}`).join(', ');
const ARRAYS = TYPES.map((type, index) => `$${index + 1}::${type}[]`).join(', ');
const SEVERAL = `select timestep.record_step_v2(${NAMES})
  from unnest(${ARRAYS}) with ordinality as step (${NAMES}, place) order by place`;
const MOST_AT_ONCE = 100;
const TOLD_AT_ONCE = 5;

/** What record_step_v2 takes. */
export type StepValues = readonly unknown[];

interface Waiting {
  values: () => StepValues;
  tell: (isOurs: boolean) => void;
  fail: (reason: unknown) => void;
}

interface Answer {
  record_step_v2: boolean;
}

/** Writes steps, those that wait together in one commit. */
export class JournalWriter {
  readonly #database: Database;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Writes a step; false when the run was not this execution's any more.
   *
   * @param values Asked for when the turn of the step has come. What it throws is thrown here.
   * @throws DatabaseUnavailableError when it could not be written; it may have been.
   */
  write(values: () => StepValues): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#waiting.push({ values, tell: resolve, fail: reject });
    this.#writing ??= outside(() => this.#writeWaiting());
    return promise;
  }

  /** Waits until nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      await nextTurn();
      const steps = this.#waiting.splice(0, MOST_AT_ONCE);
      await (steps.length > 1 ? this.#writeTogether(steps) : this.#writeEach(steps));
    }
    this.#writing = undefined;
  }

  async #writeTogether(steps: readonly Waiting[]): Promise<void> {
    try {
      const rows = steps.map(({ values }) => values());
      const columns = TYPES.map((_, column) => rows.map((row) => row[column]));
      const answers = await this.#send(SEVERAL, columns);
      for (const [i, { tell }] of steps.entries()) {
        if (i % TOLD_AT_ONCE === TOLD_AT_ONCE - 1) await nextTurn(); // each goes on with its run
        tell(answers[i]?.record_step_v2 === true);
      }
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) {
        for (const { fail } of steps) fail(error);
        return;
      }
      info('steps that came together are written one by one: %s', error);
      await this.#writeEach(steps);
    }
  }

  async #writeEach(steps: readonly Waiting[]): Promise<void> {
    // who waits for a step hears of it before the next one is asked for its values
    for (const step of steps) await this.#writeOne(step);
  }

  async #writeOne({ values, tell, fail }: Waiting): Promise<void> {
    try {
      const [answer] = await this.#send(ONE, values());
      tell(answer?.record_step_v2 === true);
    } catch (error) {
      fail(error);
    }
  }

  #send(statement: string, values: readonly unknown[]): Promise<Answer[]> {
    return this.#database.query<Answer>(statement, values, { repeatable: true });
  }
}
