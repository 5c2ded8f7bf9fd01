/** Work that belongs to no run, although the code of one may have asked for it. */

import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Does something outside of every durable run and workflow: what DBOS is asked for inside of one
 * would become a step of it, and a timer that is set there would stay in it for ever.
 */
export const outside: <R>(work: () => R) => R = AsyncLocalStorage.snapshot();
