/** A small agent that asks before it pays, and the model's part in it. */

import { Agent, type Session as SessionProtocol, setTracingDisabled, tool } from '@openai/agents';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { z } from 'zod';
import { type RunStateStore, runAgent } from '../../src/index.ts';
import { ModelServer, type Step } from '../../src/testing/index.ts';
import { freshDatabase, type TestDatabase } from './databases.ts';

export const ASK = { type: 'function_call', name: 'send_refund', arguments: { order: '4711' } };
export const NOTE = { type: 'function_call', name: 'note', arguments: { text: 'first' } };
export const NOTE_AGAIN = { type: 'function_call', name: 'note', arguments: { text: 'second' } };
export const DONE = { type: 'message', text: 'Done.' };
export const BROKEN: Step = {
  fault: { status: 400, body: { error: { message: 'boom', type: 'test' } } },
};

/** A step of the model's script. */
export function turn(...output: NonNullable<Step['output']>): Step {
  return { output };
}

/** Tools that keep a list of what they did. */
export class Refunds {
  readonly done: string[] = [];
  readonly agent = new Agent({ name: 'assistant', model: 'gpt-4.1', tools: this.tools() });

  tools() {
    const sendRefund = tool({
      name: 'send_refund',
      description: '',
      parameters: z.object({ order: z.string() }),
      needsApproval: true,
      execute: async ({ order }) => {
        this.done.push(`refund ${order}`);
        return `refunded ${order}`;
      },
    });
    const note = tool({
      name: 'note',
      description: '',
      parameters: z.object({ text: z.string() }),
      execute: async ({ text }) => {
        this.done.push(`note ${text}`);
        return 'noted';
      },
    });
    return [sendRefund, note];
  }
}

/** What a test of saved runs works with; there anew for each test. */
export interface World {
  model: ModelServer;
  database: TestDatabase;
}

/** Give every test of a file a database of its own and a model that says what it is told to. */
export function aWorld(): World {
  const world = {} as World;
  beforeAll(async () => {
    setTracingDisabled(true);
    world.model = await ModelServer.start();
  });
  beforeEach(async () => {
    world.database = await freshDatabase();
    vi.stubEnv('PG_CONNECTION_URI', world.database.url);
    vi.stubEnv('OPENAI_BASE_URL', world.model.url);
    vi.stubEnv('OPENAI_API_KEY', world.model.apiKey('refunds'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await world.database[Symbol.asyncDispose]();
  });
  afterAll(() => world.model.close());
  return world;
}

/** Run to the pause and save it. */
export async function pause(store: RunStateStore, session?: SessionProtocol, stream = false) {
  const result = await runAgent(store.agent, 'Refund 4711', session, stream);
  await store.save(result.state);
  return result;
}

/** The saved state with everything approved. */
export async function approved(store: RunStateStore) {
  const state = await store.load();
  for (const interruption of state.getInterruptions()) state.approve(interruption);
  return state;
}
