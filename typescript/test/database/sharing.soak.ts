/** The long form of sharing.test.ts, run by `make soak`. */

import { test } from 'vitest';
import { comeAndGo } from './crowd.ts';

test(
  'two hundred processes come and go, a fifth of them killed: nothing fails, nothing is lost',
  () => comeAndGo(200),
  20 * 60_000,
);
