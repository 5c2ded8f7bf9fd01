/**
 * What the library says on its own: nothing, unless it is asked or something is wrong.
 *
 * `NODE_DEBUG=timestep` shows the information lines on standard error. Warnings go through
 * `process.emitWarning`, so that an application shows, counts or silences them as all others.
 */

import process from 'node:process';
import { debuglog } from 'node:util';

/** A line for whoever set `NODE_DEBUG=timestep`. */
export const info = debuglog('timestep');

/** A warning with a code (`TIMESTEP_…`) by which an application can recognise it. */
export function warn(message: string, code: `TIMESTEP_${string}`): void {
  process.emitWarning(message, { type: 'TimestepWarning', code });
}
