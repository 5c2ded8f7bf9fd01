/** For how long work keeps everything else on the event loop waiting. */

import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';
import { closeSync, openSync, readSync } from 'node:fs';

/**
 * The milliseconds of the longest callback of the event loop while the work is done, with the
 * promises that go on after it before anything else has its turn.
 *
 * What the machine's other programs take is left out: a callback that waits for a processor blocks
 * nothing by itself.
 */
export async function longestCallback(work: () => Promise<unknown>): Promise<number> {
  const scheduler = openSync('/proc/self/schedstat', 'r');
  let longest = 0;
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
      if (took > longest) longest = Math.max(longest, took - (waited(scheduler) - begun.waited));
    },
  });
  await new Promise(setImmediate);
  hook.enable();
  try {
    await work();
  } finally {
    hook.disable();
    closeSync(scheduler);
  }
  return longest;
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
