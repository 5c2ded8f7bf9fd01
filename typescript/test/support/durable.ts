/** Durable runs in processes of their own, with the model that they talk to. */

import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { ModelServer, type Step } from '../../src/testing/index.ts';
import { administer, copyOf, freshDatabase, type TestDatabase } from './databases.ts';
import { type Ended, type Running, startNode } from './processes.ts';

const WORKER = join(import.meta.dirname, '../durable/worker.ts');

type Item = NonNullable<Step['output']>[number];
/** What a tool notes: start or end, tool, idempotency key, argument, process. */
export type Effect = [what: string, tool: string, key: string, value: unknown, pid: number];
// biome-ignore lint/suspicious/noExplicitAny: what a worker tells is checked by the test
export type Answer = Record<string, any>;

/** A function call of the model's. */
export function call(name: string, callId: string, given: Record<string, unknown> = {}): Item {
  return { type: 'function_call', name, arguments: given as never, call_id: callId };
}

/** A step of the model's, every item with an id that does not depend on its place. */
export function says(...output: (Item | string)[]): Step {
  const items = output.map((item) =>
    typeof item === 'string'
      ? { type: 'message', text: item, id: `msg_${item.replaceAll(/\W/g, '_')}` }
      : { ...item, id: `fc_${item.call_id}` },
  );
  return { output: items, usage: { input_tokens: 10, output_tokens: 1 } } as Step;
}

/** A database, a model, and the processes that work with both. */
export class Company {
  readonly url: string;
  readonly #server: ModelServer;
  readonly #folder: string;
  readonly #script: string;
  #steps: Step[] = [];
  #askedBefore = 0;

  constructor(url: string, server: ModelServer, folder: string, script: string) {
    this.url = url;
    this.#server = server;
    this.#folder = folder;
    this.#script = script;
    appendFileSync(this.#effects, '');
  }

  get #effects(): string {
    return join(this.#folder, 'effects');
  }

  async script(...steps: Step[]): Promise<void> {
    this.#steps = steps;
    await this.#server.script(this.#script, steps);
  }

  /** Lets the model go on after the last response that is recorded. */
  async rewindScript(): Promise<void> {
    this.#askedBefore += (await this.requests()).length;
    const [row] = await this.rows<{ n: number }>(
      `select count(*)::int as n from timestep.steps where kind = 'model' and run_id = 'w'`,
    );
    await this.#server.script(this.#script, this.#steps.slice(row?.n));
  }

  /** What the model was asked, since the script was set. */
  requests() {
    return this.#server.requests(this.#script);
  }

  /** How many requests the model got. */
  async modelCalls(): Promise<number> {
    return this.#askedBefore + (await this.requests()).length;
  }

  /** The variables that a process needs to use the database and the model. */
  get environment(): Record<string, string> {
    return {
      PG_CONNECTION_URI: this.url,
      OPENAI_API_KEY: this.#server.apiKey(this.#script),
      OPENAI_BASE_URL: this.#server.url,
      EFFECTS: this.#effects,
    };
  }

  /** Starts a worker process. */
  worker(command: string, options: object, { kill, lease = 3, variables }: Moment = {}): Running {
    return startNode(WORKER, [command, JSON.stringify(options)], {
      ...this.environment,
      LEASE: String(lease),
      ...(kill && { KILL: kill }),
      ...variables,
    });
  }

  /** Runs a worker to its end and returns its answer. */
  async run(command: string, options: object, moment?: Moment): Promise<Answer> {
    return answerOf(await this.worker(command, options, moment).ended);
  }

  /** Runs a worker that kills itself; false if it ended before it came to that. */
  async runKilled(kill: string, options: object, command = 'run'): Promise<boolean> {
    const ended = await this.worker(command, options, { kill }).ended;
    if (ended.signal !== 'SIGKILL' && ended.code !== 0) throw new Error(ended.stderr);
    return ended.signal === 'SIGKILL';
  }

  effects(what?: string, tool?: string): Effect[] {
    const lines = readFileSync(this.#effects, 'utf8').split('\n').filter(Boolean);
    const all = lines.map((line) => JSON.parse(line) as Effect);
    return all.filter((each) => (!what || each[0] === what) && (!tool || each[1] === tool));
  }

  forgetEffects(): void {
    writeFileSync(this.#effects, '');
    this.#askedBefore = 0;
  }

  rows<Row extends object>(sql: string): Promise<Row[]> {
    return administer<Row>(this.url, sql);
  }
}

/** When a worker kills itself, how long it may be silent, and what else its environment has. */
export interface Moment {
  kill?: string;
  lease?: number;
  variables?: Record<string, string>;
}

/** The answer of a worker. */
export function answerOf({ stdout, stderr }: Ended): Answer {
  const last = stdout.trimEnd().split('\n').at(-1);
  if (!last) throw new Error(stderr);
  const answer = JSON.parse(last) as Answer;
  return 'error' in answer ? { ...answer, stderr } : answer;
}

/** Several processes in turn on a busy machine. */
const TEST_TIMEOUT_MS = 120_000;

/** Gives every test of a file a company of its own. */
export function aCompany(): { readonly it: Company } {
  vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });
  const here = {} as { it: Company };
  let server: ModelServer;
  let migrated: TestDatabase;
  let database: TestDatabase;
  let folder: string;
  let number = 0;
  beforeAll(async () => {
    server = await ModelServer.start();
    migrated = await freshDatabase();
    await DBOS.migrate(migrated.url);
  });
  beforeEach(async () => {
    database = await copyOf(migrated);
    folder = mkdtempSync(join(tmpdir(), 'timestep-durable-'));
    number += 1;
    here.it = new Company(database.url, server, folder, `company-${number}`);
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await database[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await migrated[Symbol.asyncDispose]();
    await server.close();
  });
  return here;
}

/** Starts processes that end with their test at the latest. */
export function workersOf(company: { readonly it: Company }) {
  const workers: Running[] = [];
  afterEach(async () => {
    for (const { process } of workers) process.kill('SIGKILL');
    await Promise.all(workers.splice(0).map(({ ended }) => ended));
  });
  const worker = (command: string, options: object = {}, moment?: Moment): Running => {
    const started = company.it.worker(command, options, moment);
    workers.push(started);
    return started;
  };
  /** One that executes what comes. */
  const serving = async (moment?: Moment): Promise<Running> => {
    const started = worker('serve', {}, moment);
    await started.says('ready');
    return started;
  };
  return { worker, serving };
}
