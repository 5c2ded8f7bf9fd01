/** The TypeScript half of the benchmarks; run.py starts it. */

import pg from 'pg';
import * as durableRuns from './durableRuns.ts';
import * as savedRuns from './savedRuns.ts';
import * as sessions from './sessions.ts';

const database = new pg.Pool({ connectionString: process.env.PG_CONNECTION_URI });
await database.query('create table if not exists plain (id bigserial, a text, b text)');
await savedRuns.figures(database);
await sessions.figures(database);
await database.end();
await durableRuns.figures();
