/** This process as an executor of durable runs, and what it executes right now. */

import type { Database } from '../database/index.ts';
import type { Configuration } from './configuration.ts';
import type { Execution } from './execution.ts';
import { JournalWriter } from './journalWriter.ts';

/** Who this process is in `timestep.executors`. */
export class Process {
  readonly configuration: Configuration;
  readonly database: Database;
  readonly instance: string;
  readonly executorId: string;
  /** Of the journals of its runs. */
  readonly writer: JournalWriter;
  /**
   * The runs that are executed here, by id. A run is looked for here before anything else, so that
   * a process never takes a run from itself.
   */
  readonly active = new Map<string, Execution>();
  /** On `performance.now()`, in milliseconds. */
  aliveUntil = Number.POSITIVE_INFINITY;
  /** Models and providers with a rate limit. */
  limited: ReadonlySet<string> = new Set();
  /** On `performance.now()`, in milliseconds. */
  limitsReadAt = Number.NEGATIVE_INFINITY;
  readonly #reserved = new Set<string>();

  constructor(given: {
    configuration: Configuration;
    database: Database;
    instance: string;
    executorId: string;
  }) {
    this.configuration = given.configuration;
    this.database = given.database;
    this.instance = given.instance;
    this.executorId = given.executorId;
    this.writer = new JournalWriter(given.database);
  }

  /** Reserves a run for one execution of this process; false if another one has it. */
  reserve(runId: string): boolean {
    if (this.#reserved.has(runId)) return false;
    this.#reserved.add(runId);
    return true;
  }

  /** Ends the reservation of a run. */
  letGo(runId: string): void {
    this.#reserved.delete(runId);
  }

  /** Whether an execution of this process has the run, or is about to claim it. */
  has(runId: string): boolean {
    return this.#reserved.has(runId);
  }

  /** Whether this process may still act on its runs. */
  isAlive(): boolean {
    return performance.now() < this.aliveUntil;
  }
}

let current: Process | undefined;

/** Makes this the process that executes what DBOS hands out. */
export function useProcess(process: Process | undefined): void {
  current = process;
}

/** The process that executes; undefined before a launch. */
export function currentProcess(): Process | undefined {
  return current;
}
