/** Reads once, ends without closing anything, and tells how many milliseconds the end took. */

import { openDatabase } from '../../../src/database/index.ts';

const database = await openDatabase();
const [row] = await database.query<{ one: number }>('select 1 as one');
const read = performance.now();
process.on('exit', () => process.stdout.write(`${row?.one} ${performance.now() - read}`));
