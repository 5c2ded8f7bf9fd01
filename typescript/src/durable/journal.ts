/**
 * The journal of one run as one execution reads and writes it.
 *
 * - Who decides: PostgreSQL. A row is written only under the run's present epoch; a write that finds
 *   another one means that the run has another owner, and this execution stops.
 * - What time means: a row is written when its call has ended. A call without a row is made again.
 * - On failure: a write that got no answer is sent once more; the same row twice is one row.
 *
 * What a tool returned is written while the agent loop goes on to ask the model. Whatever else the run
 * writes or begins waits for it: no row, no item of a session and no call is ever ahead of it.
 */

import type { Database } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { DatabaseUnavailableError, NotDurableError, RunOwnershipLostError } from '../errors.ts';
import type { Price } from '../models/cost.ts';
import type { JournalWriter, StepValues } from './journalWriter.ts';
import { calling } from './sql.ts';

const BEGIN = calling('begin_step_v2', 9);

/** What came of a call, as JSON. */
export type Body = Record<string, unknown>;

/** One row of the journal. */
export interface Step {
  key: string;
  kind: 'model' | 'tool' | 'session';
  agent: string;
  name: string;
  status?: 'started' | 'done' | 'unknown';
  callId?: string | null;
  arguments?: string | null;
  body?: Body | null;
  tokens?: readonly [input: number, output: number, total: number];
  /** Of a model call. */
  cost?: Price;
}

/** A row that was found. */
export interface RecordedStep extends Step {
  status: 'started' | 'done' | 'unknown';
  language: 'python' | 'typescript';
  segment: number;
}

/** The key of a model call: the path of its agent loop and its number there. */
export function modelKey(path: string, ordinal: number): string {
  return `m:${path}:${ordinal}`;
}

/** The key of a tool call. */
export function toolKey(path: string, callId: string): string {
  return `t:${toolPath(path, callId)}`;
}

/** The path of agent loops that run inside a tool call. */
export function toolPath(path: string, callId: string): string {
  return `${path}/${callId.toWellFormed().replace(/[%/:~]|[^ -~]/gu, percentEncoded)}`;
}

function percentEncoded(character: string): string {
  const bytes = [...Buffer.from(character)];
  return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

/** What a run has done, as far as it is recorded, and the right to record more. */
export class Journal {
  readonly database: Database;
  readonly runId: string;
  readonly epoch: number;
  /** What was recorded before this execution, by key. */
  rows: ReadonlyMap<string, RecordedStep> = new Map();
  /** Whether this execution may do nothing more. */
  lost = false;
  /** Why the run cannot go on: tools turn what is thrown inside them into text. */
  refusal: NotDurableError | undefined;
  readonly #writer: JournalWriter;
  readonly #asked = new Set<string>();
  readonly #unsettled = new Set<Promise<void>>();
  /** Why a step is not written; nothing is written after it. */
  #failure: unknown;

  constructor(given: { database: Database; writer: JournalWriter; runId: string; epoch: number }) {
    this.database = given.database;
    this.#writer = given.writer;
    this.runId = given.runId;
    this.epoch = given.epoch;
  }

  /** Reads what was recorded before this execution. */
  async read(): Promise<void> {
    const rows = await this.database.query<Row>(
      `select key, kind, status, agent, name, call_id, body, language, segment
        from timestep.steps where run_id = $1`,
      [this.runId],
      { repeatable: true },
    );
    this.rows = new Map(rows.map((row) => [row.key, stepOf(row)]));
  }

  /**
   * The recorded step of a call; undefined when it is to be made.
   *
   * @throws NotDurableError when the recorded step belongs to another call, or this execution has
   *   asked for the key before: its answer would be that of another call.
   */
  answer(
    key: string,
    asking: { agent: string; name: string; callId?: string },
  ): RecordedStep | undefined {
    if (this.lost) throw this.ownershipLost();
    if (this.#asked.has(key)) {
      throw this.refuse(
        `Run ${this.runId}: two calls have the key "${key}" (now "${asking.name}" of agent ` +
          `"${asking.agent}"). A model must give every tool call an id of its own.`,
      );
    }
    this.#asked.add(key);
    const step = this.rows.get(key);
    if (step && !isOf(step, asking)) throw this.refuse(this.#misfit(step, asking));
    return step;
  }

  /** Notes that a key was asked for before this execution's loop began. */
  answered(key: string): void {
    this.#asked.add(key);
  }

  /** Allows the key to be asked for again: its call failed, or waits for a decision. */
  forgetQuestion(key: string): void {
    this.#asked.delete(key);
  }

  /**
   * Notes that a call is about to be made; false when it had been begun before.
   *
   * @param options.again A person allowed the call anew: one that an earlier segment had begun begins
   *   again.
   * @throws RunOwnershipLostError when the run has another owner.
   */
  async begin(step: Step, { again }: { again: boolean }): Promise<boolean> {
    const [row] = await this.write<{ begin_step_v2: string }>(BEGIN, [
      this.runId,
      this.epoch,
      step.key,
      columnText(step.agent),
      columnText(step.name),
      columnText(step.callId),
      columnText(step.arguments),
      'typescript',
      again,
    ]);
    if (row?.begin_step_v2 === 'lost') throw this.ownershipLost();
    return row?.begin_step_v2 === 'started';
  }

  /** Ends a call that was begun, and of which nobody knows whether it took effect. */
  async closeUnknown(step: Step, told: string): Promise<void> {
    await this.record({ ...step, status: 'unknown', body: { output: told } });
  }

  /**
   * Writes a step that has ended; that of a tool is left to be written.
   *
   * @throws RunOwnershipLostError when the run has another owner.
   * @throws DatabaseUnavailableError when it could not be written. This execution is over; the run
   *   goes on from what is written.
   */
  async record(step: Step, startedAt?: Date): Promise<void> {
    if (this.lost) throw this.ownershipLost();
    if (this.refusal) throw this.refusal;
    this.#leave(() => this.#valuesOf(step, startedAt));
    if (step.kind !== 'tool') await this.settled();
  }

  /**
   * Waits until everything that was left to be written is written.
   *
   * @throws RunOwnershipLostError when the run has another owner.
   * @throws DatabaseUnavailableError when it could not be written.
   */
  async settled(): Promise<void> {
    await this.quiet();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until nothing is being written any more, whatever came of it. */
  async quiet(): Promise<void> {
    await Promise.all(this.#unsettled);
  }

  /** Leaves a step to be written, unless one before it could not be. */
  #leave(values: () => StepValues): void {
    const written = this.#writer.write(() => {
      if (this.#failure !== undefined) throw this.#failure;
      return values();
    });
    const noted: Promise<void> = written.then(
      (isOurs) => this.#note(noted, isOurs ? undefined : this.ownershipLost()),
      (error) => this.#note(noted, error),
    );
    this.#unsettled.add(noted);
  }

  #note(noted: Promise<void>, failure: unknown): void {
    this.#unsettled.delete(noted);
    if (failure === undefined) return;
    this.#failure ??= failure;
    // whether it was written is not known, so nothing may follow it here
    if (failure instanceof DatabaseUnavailableError) this.lost = true;
  }

  #valuesOf(step: Step, startedAt: Date | undefined): StepValues {
    return [
      this.runId,
      this.epoch,
      step.key,
      step.kind,
      step.status ?? 'done',
      columnText(step.agent),
      columnText(step.name),
      columnText(step.callId),
      columnText(step.arguments),
      dump(step.body),
      ...(step.tokens ?? [null, null, null]),
      'typescript',
      startedAt ?? null,
      step.cost?.amount ?? null,
      step.cost?.table ?? null,
    ];
  }

  /**
   * Runs a statement of the run, after what was left to be written. Nothing may follow here if it
   * fails: it may have taken effect.
   */
  async write<Row extends object>(
    statement: string,
    values: readonly unknown[],
    options?: { repeatable: boolean },
  ): Promise<Row[]> {
    await this.settled();
    try {
      return await this.database.query<Row>(statement, values, options);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) this.lost = true;
      throw error;
    }
  }

  /** The error for an execution that has to stop; nothing else happens in it. */
  ownershipLost(): RunOwnershipLostError {
    this.lost = true;
    return new RunOwnershipLostError(
      `Run ${this.runId}: another process executes it now, or it was ended (this execution had ` +
        `epoch ${this.epoch}). This execution stops; getRun() tells where the run stands.`,
    );
  }

  /** The error for a run that cannot go on; it is kept, whatever becomes of it on its way up. */
  refuse(reason: string): NotDurableError {
    this.refusal ??= new NotDurableError(reason);
    return this.refusal;
  }

  /** Does work, and keeps its refusal to go on. */
  refusing<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof NotDurableError) this.refusal ??= error;
      throw error;
    }
  }

  /** The recorded model calls of all loops inside a tool call, in their order. */
  modelsInside(path: string): RecordedStep[] {
    const inside = [':', '/', '~'].map((end) => `m:${path}${end}`);
    const found = [...this.rows.values()].filter(({ key }) =>
      inside.some((p) => key.startsWith(p)),
    );
    return found.sort(byPlace);
  }

  #misfit(step: Step, asking: { agent: string; name: string }): string {
    const call = (name: string) => (step.kind === 'tool' ? name : 'a model call');
    return (
      `Run ${this.runId}: the step "${step.key}" is recorded for ${call(step.name)} of agent ` +
      `"${step.agent}", but ${call(asking.name)} of agent "${asking.agent}" asks for it. The agent ` +
      'was changed while the run was under way; cancel the run and start it anew.'
    );
  }
}

function isOf(step: Step, asking: { agent: string; name: string; callId?: string }): boolean {
  if (step.agent !== columnText(asking.agent)) return false;
  if (step.kind !== 'tool') return true;
  return step.name === columnText(asking.name) && step.callId === columnText(asking.callId);
}

function byPlace(left: RecordedStep, right: RecordedStep): number {
  const [a, b] = [placeOf(left.key), placeOf(right.key)];
  if (left.segment !== right.segment) return left.segment - right.segment;
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.ordinal - b.ordinal;
}

/** The path of a model call's loop and its number there. */
function placeOf(key: string): { path: string; ordinal: number } {
  const [, path = '', ordinal] = key.split(':');
  return { path, ordinal: Number(ordinal) };
}

interface Row extends Omit<RecordedStep, 'body' | 'callId'> {
  call_id: string | null;
  body: string | null;
}

function stepOf({ call_id, body, ...row }: Row): RecordedStep {
  return { ...row, callId: call_id, body: body === null ? null : (JSON.parse(body) as Body) };
}
