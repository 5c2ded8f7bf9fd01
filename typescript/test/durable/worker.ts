/**
 * A process that executes durable runs, as a user would write it, and may kill itself.
 *
 * Usage: worker.ts <command> <JSON>. The answer is one line of JSON on standard output; commands and
 * answers are those of the Python tests' worker. What its tools do is appended to the file EFFECTS,
 * one line per start and end of a call. KILL names the moment at which the process kills itself with
 * SIGKILL: "before:<n>" and "after:<n>" the n-th statement to the database since the run began,
 * "inside:<n>" the n-th call of a tool. With STRANGER it has no agents but those that it runs.
 */

import { appendFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Agent,
  type MCPServer,
  MemorySession,
  OpenAIResponsesModel,
  run as runHere,
  setTracingDisabled,
  shellTool,
  tool,
} from '@openai/agents';
import OpenAI from 'openai';
import pg from 'pg';
import { z } from 'zod';
import { DatabasePool } from '../../src/database/pool.ts';
import {
  cancelRun,
  configureDBOS,
  decideApproval,
  deleteRuns,
  durableTool,
  ensureDBOSLaunched,
  idempotencyKey,
  listApprovals,
  RunHandle,
  resumeRun,
  runAgentWorkflow,
  type WorkflowResult,
} from '../../src/durable/index.ts';
import { ApprovalConflictError, NotDurableError } from '../../src/errors.ts';
import { Session } from '../../src/session.ts';
import { until } from '../support/until.ts';
import { blocking, supervision } from './supervision.ts';

type Answer = Record<string, unknown>;

function tell(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const EFFECTS = String(process.env.EFFECTS);

/** Kills this process at the moment that KILL names. */
class Countdown {
  readonly #what: string;
  #left: number;

  constructor(moment = 'never:0') {
    const [what = '', number] = moment.split(':');
    this.#what = what;
    this.#left = Number(number);
  }

  at(what: string): void {
    if (what !== this.#what) return;
    this.#left -= 1;
    if (this.#left === 0) process.kill(process.pid, 'SIGKILL');
  }
}

const kill = new Countdown(process.env.KILL);

function effect(what: string, name: string, value: unknown, key: string | null): void {
  appendFileSync(EFFECTS, `${JSON.stringify([what, name, key, value, process.pid])}\n`);
}

function done(name: string, value: unknown): void {
  effect('start', name, value, idempotencyKey());
  kill.at('inside');
  effect('end', name, value, idempotencyKey());
}

const numbered = z.object({ n: z.number().int() });

/** A tool that notes its calls. */
function noting(
  name: string,
  says: (n: number) => unknown,
  more: { needsApproval?: boolean } = {},
) {
  const execute = async ({ n }: { n: number }) => {
    done(name, n);
    return says(n);
  };
  return tool({ name, description: '', parameters: numbered, execute, ...more });
}

const look = noting('look', (n) => ({ found: n }));
const mail = durableTool(
  noting('mail', (n) => `sent ${n}`),
  { atMostOnce: true },
);
const refund = noting('refund', (n) => `refunded ${n}`, { needsApproval: true });
const pay = durableTool(
  noting('pay', (n) => `paid ${n}`),
  { atMostOnce: true, whenUnknown: 'ask' },
);
const transfer = durableTool(
  noting('transfer', (n) => `transferred ${n}`, { needsApproval: true }),
  { atMostOnce: true, whenUnknown: 'ask' },
);
const fetchIt = noting('fetch', (n) => `fetched ${n}`);
const risky = noting('risky', (n) => `risked ${n}`, { needsApproval: true });
const slow = tool({
  name: 'slow',
  description: '',
  parameters: z.object({ seconds: z.number() }),
  execute: async ({ seconds }) => {
    effect('start', 'slow', seconds, idempotencyKey());
    await sleep(seconds * 1000);
    effect('end', 'slow', seconds, idempotencyKey());
    return 'slept';
  },
});

/** Counts the model calls that this process's loops came to, recorded ones included. */
let turns = 0;

function instructions(text: string): () => string {
  return () => {
    turns += 1;
    return text;
  };
}

const billing = new Agent({
  name: 'billing',
  instructions: instructions('You do billing.'),
  tools: [look, mail, refund],
});
const researcher = new Agent({
  name: 'researcher',
  instructions: instructions('You research.'),
  tools: [fetchIt, risky, pay, transfer],
});
const triage = new Agent({
  name: 'triage',
  instructions: instructions('You do triage.'),
  tools: [
    look,
    mail,
    refund,
    pay,
    transfer,
    slow,
    blocking((what, name, value) => effect(what, name, value, idempotencyKey())),
    researcher.asTool({ toolName: 'research', toolDescription: 'Finds out.' }),
  ],
  handoffs: [billing],
});
const judge = new Agent({
  name: 'judge',
  tools: [look],
  outputType: z.object({ guilty: z.boolean() }),
});

const ask = tool({
  name: 'ask',
  description: '',
  parameters: z.object({}),
  execute: async () => (await runHere(new Agent({ name: 'helper' }), '?')).finalOutput,
});

/** A local MCP server with one tool. */
const shelf: MCPServer = {
  name: 'shelf',
  cacheToolsList: false,
  connect: async () => {},
  close: async () => {},
  invalidateToolsCache: async () => {},
  listTools: async () => [
    {
      name: 'shelve',
      inputSchema: {
        type: 'object',
        properties: { n: { type: 'integer' } },
        required: ['n'],
        additionalProperties: false,
      },
    },
  ],
  callTool: async (name, given) => {
    effect('end', name, (given as { n: number }).n, null);
    kill.at('inside');
    return [{ type: 'text', text: `shelved ${(given as { n: number }).n}` }];
  },
};

/** Counts statements from now on, for KILL. */
function countStatements(): void {
  const send = DatabasePool.prototype.run;
  DatabasePool.prototype.run = async function (text, values, repeatable) {
    if (/keep_executor|adopt_runs|expire_approvals|where owner =/.test(text)) {
      return send.call(this, text, values, repeatable);
    }
    kill.at('before');
    const rows = await send.call(this, text, values, repeatable);
    kill.at('after');
    return rows;
  };
}

interface RunOptions {
  workflow_id: string;
  session_id?: string;
  approve?: boolean;
  stream?: boolean;
  timeout_seconds?: number;
  text?: string;
  approval_seconds?: number;
}

async function run(given: RunOptions): Promise<Answer> {
  const { workflow_id: workflowId, session_id, approve = true, stream = false } = given;
  countStatements();
  let result = await runAgentWorkflow({
    agent: triage,
    inputItems: given.text ?? 'please',
    ...(session_id && { session: new Session({ sessionId: session_id }) }),
    workflowId,
    stream,
    timeoutSeconds: given.timeout_seconds,
    approvalSeconds: given.approval_seconds,
  });
  while (approve && result.status === 'interrupted') {
    for (const { approvalId } of await listApprovals({ runId: workflowId })) {
      await decideApproval(approvalId, { approve: true, decidedBy: 'worker' });
    }
    result = await (await resumeRun(workflowId)).getResult();
  }
  return answer(result);
}

async function wait({ workflow_id }: RunOptions): Promise<Answer> {
  return answer(await new RunHandle(workflow_id).getResult());
}

/** Runs with a session that is made without an id, as a program does that starts again. */
async function withNewSession({ workflow_id }: RunOptions): Promise<unknown[]> {
  const session = new Session();
  const inputItems = 'please';
  await runAgentWorkflow({ agent: triage, inputItems, session, workflowId: workflow_id });
  const roles = (await session.getItems()).map((item) => (item as { role?: string }).role);
  return [session.sessionId, ...roles];
}

/** Decides before DBOS could note that the run has paused, and lets it go on. */
async function decideAtOnce({ workflow_id: workflowId }: RunOptions): Promise<Answer> {
  const askedFor = runAgentWorkflow({ agent: triage, inputItems: 'please', workflowId });
  const client = new pg.Client({ connectionString: process.env.PG_CONNECTION_URI });
  await client.connect();
  await client.query('begin');
  const lock = 'select 1 from dbos.workflow_status where workflow_uuid = $1 for update';
  await until(async () => (await client.query(lock, [workflowId])).rowCount === 1, 'it has begun');
  const waiting = () => listApprovals({ runId: workflowId });
  await until(async () => (await waiting()).length === 1, 'it waits');
  await decideApproval(String((await waiting())[0]?.approvalId), { approve: true });
  const result = await (await resumeRun(workflowId)).getResult();
  await client.end();
  await askedFor;
  return answer(result);
}

/** Decides on the state in memory and goes on from it. */
async function byState({
  workflow_id,
  reject = [],
  message = 'No, thank you.',
}: RunOptions & { reject?: string[]; message?: string | null }): Promise<Answer> {
  let result = await new RunHandle(workflow_id).getResult();
  while (result.status === 'interrupted') {
    const state = result.toState();
    for (const item of state.getInterruptions()) {
      if (!reject.includes(callIdOf(item))) state.approve(item);
      else if (message === null) state.reject(item);
      else state.reject(item, { message });
    }
    result = await runAgentWorkflow(triage, state);
  }
  return answer(result);
}

/** Executes what comes, until killed. */
async function serve({ seconds = 60 }: { seconds?: number }): Promise<Answer> {
  tell('ready');
  await sleep(seconds * 1000);
  return {};
}

/** Runs several at once. */
async function together({ ids }: { ids: string[] }): Promise<Answer[]> {
  const runs = ids.map((workflowId) =>
    runAgentWorkflow({ agent: triage, inputItems: 'please', workflowId }),
  );
  return (await Promise.all(runs)).map(answer);
}

/** Runs an agent with a structured output. */
async function judged({ workflow_id: workflowId }: RunOptions): Promise<Answer> {
  return answer(await runAgentWorkflow({ agent: judge, inputItems: 'please', workflowId }));
}

/** Runs an agent with a model object, a local MCP server, and a tool that runs an agent. */
async function librarian({ workflow_id: workflowId, stream = false }: RunOptions): Promise<Answer> {
  const model = new OpenAIResponsesModel(new OpenAI() as never, 'gpt-object');
  const agent = new Agent({ name: 'librarian', model, tools: [ask], mcpServers: [shelf] });
  return answer(await runAgentWorkflow({ agent, inputItems: 'please', workflowId, stream }));
}

/** Lets a run go on with other arguments than the model's; of two decisions one counts. */
async function edited({
  workflow_id,
  arguments: given,
}: RunOptions & { arguments: Record<string, unknown> }): Promise<Answer> {
  const [approval] = await listApprovals({ runId: workflow_id });
  const id = String(approval?.approvalId);
  await decideApproval(id, { approve: true, arguments: given });
  const conflict = await decideApproval(id, { approve: false, decidedBy: 'late' }).then(
    () => '',
    (error) => (error instanceof ApprovalConflictError ? error.message : Promise.reject(error)),
  );
  const handles = await Promise.all([resumeRun(workflow_id), resumeRun(workflow_id)]);
  const [first] = await Promise.all(handles.map((handle) => handle.getResult()));
  return { ...answer(first as WorkflowResult), conflict };
}

/** Runs, and removes what has ended. */
async function removed(given: RunOptions): Promise<Answer> {
  const result = await run(given);
  return { ...result, removed: await deleteRuns({ olderThanSeconds: 0 }) };
}

/** Asks for runs that cannot be recorded. */
async function refused(): Promise<Answer> {
  const shell = new Agent({ name: 'shell', tools: [shellTool({ shell: {} as never })] });
  const inner = new Agent({ name: 'outer', tools: [shell.asTool({ toolName: 'inner' })] });
  const given = {
    tool: { agent: new Agent({ name: 'outer', handoffs: [shell] }) },
    agent: { agent: inner },
    session: { agent: billing, session: new MemorySession() },
    context: { agent: billing, context: new Date() as never },
  };
  const messages: Answer = {};
  for (const [name, each] of Object.entries(given)) {
    await runAgentWorkflow({ inputItems: 'x', ...each }).catch((error) => {
      if (!(error instanceof NotDurableError)) throw error;
      messages[name] = error.message;
    });
  }
  return messages;
}

/** Cancels a run while a tool of it is under way. */
async function cancelled({ workflow_id: workflowId }: RunOptions): Promise<Answer> {
  const running = runAgentWorkflow({ agent: triage, inputItems: 'please', workflowId });
  await until(() => statSync(EFFECTS).size > 0, 'the tool has begun');
  const first = await cancelRun(workflowId);
  const second = await cancelRun(workflowId);
  return { ...answer(await running), first, second };
}

function answer({ status, finalOutput, usage, interruptions }: WorkflowResult): Answer {
  return {
    turns,
    status,
    output: finalOutput ?? null,
    tokens: usage.totalTokens,
    requests: usage.requests,
    interruptions: interruptions.map(callIdOf),
  };
}

function callIdOf({ rawItem }: { rawItem: object }): string {
  return (rawItem as { callId: string }).callId;
}

const commands: Record<string, (options: never) => Promise<unknown>> = {
  run,
  wait,
  by_state: byState,
  decide_at_once: decideAtOnce,
  with_new_session: withNewSession,
  serve,
  together,
  judged,
  librarian,
  edited,
  removed,
  refused,
  cancelled,
  ...supervision(triage, answer),
};

const [command = '', options = '{}'] = process.argv.slice(2);
setTracingDisabled(true);
try {
  configureDBOS({
    agents: process.env.STRANGER ? [] : [triage],
    queues: { narrow: { concurrency: 1, pollingSeconds: 0.05 } },
    leaseSeconds: Number(process.env.LEASE ?? 1),
  });
  await ensureDBOSLaunched();
  const carriedOut = commands[command];
  if (!carriedOut) throw new Error(`no command ${command}`);
  tell(await carriedOut(JSON.parse(options) as never));
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  tell({ error: (error as Error).name, message: (error as Error).message });
  process.exit(1);
}
