/** Durable runs against the SDK's own runner, and what they write. */

import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@openai/agents';
import {
  cleanupDBOS,
  configureDBOS,
  ensureDBOSLaunched,
  runAgentWorkflow,
} from '@timestep-ai/timestep';
import pg from 'pg';
import { counter, type Manner } from './counting.ts';
import { ratio, show, wanted } from './figures.ts';
import { longestCallback } from './longestCallback.ts';

const RUN = 'typescript durable run';
const COMMITS = 'typescript durable commits per model call and tool call';
const WRITTEN = 'typescript durable written per turn';
const CROWD = 'typescript durable crowd of 200';
const CROWD_SIZE = 200;
const CROWD_ROUNDS = 6; // the first ones are slower on both sides
const WAL = "select (pg_current_wal_insert_lsn() - '0/0')::float8 as counted";
const WRITES = 'select pg_snapshot_xmax(pg_current_snapshot())::text::float8 as counted';
const CONNECTIONS = `select count(*)::int as counted from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

type Work = () => Promise<unknown>;

/** Print the figures of durable runs that nothing disturbs. */
export async function figures(): Promise<void> {
  if (!wanted(RUN, COMMITS, WRITTEN, CROWD)) return;
  const server = new pg.Client({ connectionString: process.env.PG_CONNECTION_URI });
  await server.connect();
  configureDBOS({ name: 'bench' });
  await ensureDBOSLaunched();
  try {
    await againstTheRunner();
    await written(server);
    await crowd(server);
  } finally {
    await cleanupDBOS();
    await server.end();
  }
}

async function againstTheRunner(): Promise<void> {
  if (!wanted(RUN)) return;
  const cases = [
    { turns: 10, rounds: 60, bound: 1.5 },
    { turns: 200, rounds: 3, bound: 1.1 },
    { turns: 10, rounds: 8, bound: 1.03, latencyMs: 50 },
  ];
  for (const { turns, rounds, bound, ...manner } of cases) {
    const slow = manner.latencyMs ? `, ${manner.latencyMs} ms per model call` : '';
    const measured = await ratio(durable(turns, manner), plain(turns, manner), rounds);
    show(`${RUN}, ${turns} turns${slow}`, measured, bound);
  }
}

async function written(server: pg.Client): Promise<void> {
  if (wanted(COMMITS)) {
    await durable(1)();
    const base = await leastGrowth(server, WRITES, durable(1), 3);
    const calls = 50 + 49 - 1;
    const grown = (await leastGrowth(server, WRITES, durable(50), 3)) - base;
    show(COMMITS, grown / calls, 1, 'commits');
  }
  if (wanted(WRITTEN)) {
    for (const [turns, rounds] of [
      [10, 20],
      [200, 2],
      [1000, 1],
    ] as const) {
      const grown = await leastGrowth(server, WAL, durable(turns), rounds);
      const name = `${WRITTEN}, ${turns.toLocaleString('en')} turns`;
      show(name, grown / turns / 1000, 2.2, 'KB');
    }
  }
}

/** Many runs at once in one process. */
async function crowd(server: pg.Client): Promise<void> {
  if (!wanted(CROWD)) return;
  const manner = { latencyMs: 50 };
  const [work, reference] = [atOnce(durable(10, manner)), atOnce(plain(10, manner))];
  const measured = { durable: [] as number[], plain: [] as number[] };
  for (let round = 0; round < CROWD_ROUNDS; round += 1) {
    measured.plain.push(await processorTime(reference));
    measured.durable.push(await processorTime(work));
  }
  const processor = Math.min(...measured.durable) / Math.min(...measured.plain);
  show(`${CROWD}: processor time`, processor, 1.3);
  const running = work();
  await sleep(500);
  show(`${CROWD}: connections`, await counted(server, CONNECTIONS), 20, 'connections');
  await running;
  const blocks: number[] = [];
  // the first time much is compiled that the measurement itself needs
  for (let round = 0; round < 3; round += 1) blocks.push(await longestCallback(work));
  show(`${CROWD}: longest block`, Math.min(...blocks), 20, 'ms');
}

function durable(turns: number, manner?: Manner): Work {
  const agent = counter(turns, manner);
  return () => runAgentWorkflow({ agent, inputItems: 'go', maxTurns: turns + 1 });
}

function plain(turns: number, manner?: Manner): Work {
  const agent = counter(turns, manner);
  return () => run(agent, 'go', { maxTurns: turns + 1 });
}

function atOnce(work: Work): Work {
  return () => Promise.all(Array.from({ length: CROWD_SIZE }, work));
}

/** The least by which a counter of the server grows with some work, of so many times. */
async function leastGrowth(
  server: pg.Client,
  statement: string,
  work: Work,
  rounds: number,
): Promise<number> {
  const grown: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await counted(server, statement);
    await work();
    grown.push((await counted(server, statement)) - before);
  }
  return Math.min(...grown);
}

async function counted(server: pg.Client, statement: string): Promise<number> {
  const { rows } = await server.query<{ counted: number }>(statement);
  return rows[0]?.counted ?? Number.NaN;
}

/** The seconds of processor time that work takes, those of all threads. */
async function processorTime(work: Work): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
