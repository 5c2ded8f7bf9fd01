/** Saving and loading against the SDK's own serialisation and one statement. */

import { RunState } from '@openai/agents';
import { RunStateStore } from '@timestep-ai/timestep';
import type pg from 'pg';
import { agent, paused } from './agentsAndScripts.ts';
import { ratio, show, wanted } from './figures.ts';

const ROUNDS = { 10: 300, 100: 30, 1000: 5 }; // by the number of items

type State = Awaited<ReturnType<typeof paused>>;

/** Print the figures of saved runs. */
export async function figures(database: pg.Pool): Promise<void> {
  if (wanted('typescript save', 'typescript load')) {
    for (const [items, rounds] of Object.entries(ROUNDS)) {
      const state = await paused(Number(items));
      await saving(database, state, items, rounds);
      await loading(database, state, items, rounds);
    }
  }
  if (wanted('typescript size')) await size(database);
}

async function saving(database: pg.Pool, state: State, items: string, rounds: number) {
  if (!wanted('typescript save')) return;
  const written = await saved(database, state, `ts-save-${items}`);
  // A session of its own each time: the same state saved twice is not written twice.
  const save = () => new RunStateStore({ agent }).save(state);
  const plain = () => {
    state.toString();
    return database.query('insert into plain (a, b) values ($1, $2)', written);
  };
  show(`typescript save, ${items} items`, await ratio(save, plain, rounds), 1.5);
}

async function loading(database: pg.Pool, state: State, items: string, rounds: number) {
  if (!wanted('typescript load')) return;
  const sessionId = `ts-load-${items}`;
  await saved(database, state, sessionId);
  const store = new RunStateStore({ agent, sessionId });
  const load = () => store.load();
  const plain = async () => {
    const { rows } = await database.query(
      'select native from timestep.run_states where session_id = $1',
      [sessionId],
    );
    return RunState.fromString(agent, rows[0].native);
  };
  show(`typescript load, ${items} items`, await ratio(load, plain, rounds), 1.1);
  await database.query(
    "update timestep.run_states set writer_language = 'python' where session_id = $1",
    [sessionId],
  );
  const name = `typescript load of the other language's, ${items} items`;
  show(name, await ratio(load, plain, rounds), 1.6);
}

async function size(database: pg.Pool) {
  const state = await paused(200, '5000');
  const [, envelope] = await saved(database, state, 'ts-size');
  show('typescript size of 100 outputs of 5 KB', envelope.length / (100 * 5000), 1.2);
}

/** Save the state and return both documents as they lie in the database. */
async function saved(
  database: pg.Pool,
  state: State,
  sessionId: string,
): Promise<[string, string]> {
  await new RunStateStore({ agent, sessionId }).save(state);
  const { rows } = await database.query(
    'select native, envelope from timestep.run_states where session_id = $1',
    [sessionId],
  );
  return [rows[0].native, rows[0].envelope];
}
