/** Where in a durable run the code is that runs right now. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Execution } from './execution.ts';
import { type Journal, modelKey, toolPath } from './journal.ts';

/** One agent loop: the outermost of a run, or one that runs inside a tool call. */
export class Loop {
  readonly execution: Execution;
  readonly path: string;
  /** How many model responses the loop has. */
  ordinal = 0;
  /** How many items it has added to its session. */
  added: number;
  /** Whose turn it is. */
  agent = '';

  constructor(execution: Execution, path: string, added = 0) {
    this.execution = execution;
    this.path = path;
    this.added = added;
  }

  /** The journal of the run. */
  get journal(): Journal {
    return this.execution.journal;
  }

  /** The key of the next model call. */
  nextModelKey(): string {
    return modelKey(this.path, this.ordinal);
  }
}

/** A place from which agent loops may begin: the run itself, or a tool call of it. */
export class Frame {
  readonly execution: Execution;
  readonly path: string;
  /** Whether a loop that began here waits for decisions. */
  interrupted = false;
  readonly #added: number;
  #loops = 0;

  /** @param added How many items the first loop has added to its session before. */
  constructor(execution: Execution, path: string, added = 0) {
    this.execution = execution;
    this.path = path;
    this.#added = added;
  }

  /** The place inside a tool call. */
  static ofCall(loop: Loop, callId: string): Frame {
    return new Frame(loop.execution, toolPath(loop.path, callId));
  }

  /** A new loop at this place. */
  beginLoop(): Loop {
    this.#loops += 1;
    if (this.#loops === 1) return new Loop(this.execution, this.path, this.#added);
    return new Loop(this.execution, `${this.path}~${this.#loops}`);
  }
}

const current = new AsyncLocalStorage<Loop | Frame | undefined>();

/** The loop whose models and tools are called right now. */
export function currentLoop(): Loop | undefined {
  const place = current.getStore();
  return place instanceof Loop ? place : undefined;
}

/** The place from which a loop that begins right now is recorded. */
export function currentFrame(): Frame | undefined {
  const place = current.getStore();
  return place instanceof Frame ? place : undefined;
}

/** Does work at a place; undefined is outside of every durable run. */
export function within<T>(place: Loop | Frame | undefined, work: () => T): T {
  return current.run(place, work);
}
