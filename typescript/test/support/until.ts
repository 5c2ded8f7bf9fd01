/** Waiting for something outside of this process, with a deadline. */

import { setTimeout as sleep } from 'node:timers/promises';

/** Looks every 10 ms until the condition holds; fails after the limit (10 seconds). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${limitMs} ms: ${what}.`);
    await sleep(10);
  }
}
