/** Conversations: `runAgent` with `Session` against the SDK's runner with a plain SQL session. */

import { OpenAIProvider, Runner, type Session as SessionProtocol } from '@openai/agents';
import { runAgent, Session } from '@timestep-ai/timestep';
import type pg from 'pg';
import { agent, done, script } from './agentsAndScripts.ts';
import { show, wanted } from './figures.ts';
import { PlainSession } from './plainSession.ts';

const RUNS = 50;
const ROUNDS = 5;

type Run = (session: SessionProtocol) => Promise<unknown>;

/** Print the figures of sessions. */
export async function figures(database: pg.Pool): Promise<void> {
  if (wanted('typescript runAgent')) await speed(database);
  if (wanted('typescript bytes')) await growth(database);
}

async function speed(database: pg.Pool) {
  const runner = new Runner({ modelProvider: new OpenAIProvider() });
  const plain: Run = (session) => runner.run(agent, 'Hello', { session });
  const ours: Run = (session) => runAgent(agent, 'Hello', session);
  const times = { plain: [] as number[][], ours: [] as number[][] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.plain.push(await converse(plain, await PlainSession.create(database)));
    times.ours.push(await converse(ours, new Session()));
  }
  const slower = fastest(times.ours) / fastest(times.plain);
  show(`typescript runAgent with Session, ${RUNS} runs`, slower, 1);
}

/** How long a conversation takes of which each run is the fastest of all rounds. */
function fastest(rounds: number[][]): number {
  const [first = []] = rounds;
  const runs = first.map((_, run) => Math.min(...rounds.map((times) => times[run] ?? Infinity)));
  return runs.reduce((sum, time) => sum + time, 0);
}

async function converse(run: Run, session: SessionProtocol): Promise<number[]> {
  await script(Array(RUNS + 1).fill(done));
  await run(session);
  const times: number[] = [];
  for (let n = 0; n < RUNS; n += 1) {
    const begun = performance.now();
    await run(session);
    times.push(performance.now() - begun);
  }
  return times;
}

/** Compare what the tenth and the last ten runs of a conversation write. */
async function growth(database: pg.Pool) {
  const session = new Session();
  await script(Array(RUNS).fill(done));
  const written: number[] = [];
  for (let n = 0; n < RUNS; n += 1) {
    const before = await position(database);
    await runAgent(agent, 'Hello', session);
    written.push((await position(database)) - before);
  }
  const grown = Math.min(...written.slice(-10)) / Math.min(...written.slice(5, 15));
  show(`typescript bytes written by run ${RUNS} against run 10`, grown, 1.1);
}

async function position(database: pg.Pool): Promise<number> {
  const { rows } = await database.query(
    "select (pg_current_wal_insert_lsn() - '0/0')::float8 as position",
  );
  return rows[0].position;
}
