/** What DBOS has to say, said in our way: it would write to the console by itself. */

import type { DLogger } from '@dbos-inc/dbos-sdk';
import { info, warn } from '../logger.ts';

const inform = (entry: unknown) => info('dbos: %s', entry);
const complain = (entry: unknown) => warn(`dbos: ${entry}`, 'TIMESTEP_DBOS');

export const dbosLogger: DLogger = {
  debug: inform,
  info: inform,
  warn: complain,
  error: complain,
};
