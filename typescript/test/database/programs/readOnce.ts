/** Reads once and ends without closing anything. */

import { openDatabase } from '../../../src/database/index.ts';

const database = await openDatabase();
const [row] = await database.query<{ one: number }>('select 1 as one');
process.stdout.write(`${row?.one}\n`);
