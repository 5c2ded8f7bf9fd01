/** For how long work keeps everything else on the event loop waiting. */

import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';
import { closeSync, openSync, readSync } from 'node:fs';
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Shorter callbacks are not looked at. */
const SHORT_MS = 2;

interface Callback {
  begun: number;
  took: number;
  /** For a processor. */
  waited: number;
}

/**
 * The milliseconds of the longest callback of the event loop while the work is done, with the
 * promises that go on after it before anything else has its turn.
 *
 * What the machine's other programs take is left out: a callback that waits for a processor blocks
 * nothing by itself. So are collections of garbage, which block any program as long.
 */
export async function longestCallback(work: () => Promise<unknown>): Promise<number> {
  const scheduler = openSync('/proc/self/schedstat', 'r');
  const callbacks: Callback[] = [];
  const collections: PerformanceEntry[] = [];
  const garbage = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  let depth = 0;
  let begun = { at: performance.now(), waited: waited(scheduler) };
  const hook = createHook({
    before: () => {
      const isFirst = depth === 0 && !isContinuation(executionAsyncResource());
      if (isFirst) begun = { at: performance.now(), waited: waited(scheduler) };
      depth += 1;
    },
    after: () => {
      depth = Math.max(0, depth - 1);
      const took = performance.now() - begun.at;
      if (took < SHORT_MS) return;
      callbacks.push({ begun: begun.at, took, waited: waited(scheduler) - begun.waited });
    },
  });
  await nextTurn();
  garbage.observe({ entryTypes: ['gc'] });
  hook.enable();
  await work();
  hook.disable();
  await nextTurn();
  garbage.disconnect();
  closeSync(scheduler);
  const all = callbacks.map((callback) => blocked(callback, collections));
  return all.reduce((longest, each) => Math.max(longest, each), 0);
}

/** For how long a callback blocked; collections of garbage may have waited for a processor too. */
function blocked({ begun, took, waited }: Callback, collections: PerformanceEntry[]): number {
  const within = collections.filter(
    ({ startTime, duration }) => startTime < begun + took && startTime + duration > begun,
  );
  const collected = within.reduce((sum, { duration }) => sum + duration, 0);
  return took - Math.max(waited, collected);
}

/** Whether it goes on in the same breath: a promise, or what was put off to the next tick. */
function isContinuation(resource: object): boolean {
  if (resource instanceof Promise || resource instanceof AsyncResource) return true;
  return Object.getPrototypeOf(resource) === Object.prototype;
}

/** For how many milliseconds this thread has waited for a processor. */
function waited(scheduler: number): number {
  const text = Buffer.alloc(100);
  const length = readSync(scheduler, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}
