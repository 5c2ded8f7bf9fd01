// biome-ignore-all lint/suspicious/noExplicitAny: commands are JSON
/**
 * A process that executes durable runs, in TypeScript, and may kill itself. worker.py is the same.
 *
 * Every model call says in a header which script answers it, `<run>-<outputs>`: the name in brackets
 * in the last message of a user, and how many outputs of calls came after it. So an answer depends
 * on what is asked alone, however often it is asked and whoever asks.
 */

import process from 'node:process';
import { OpenAIProvider, setTraceProcessors } from '@openai/agents';
import * as timestep from '@timestep-ai/timestep';
import OpenAI from 'openai';
import { type Command, type Json, serve } from '../serving.ts';
import { Company } from './company.ts';
import { Moments } from './moments.ts';

const moments = new Moments();
let company: Company;
let modelProvider: OpenAIProvider;

const COMMANDS: Record<string, Command> = {
  launch,
  run,
  queue,
  wait,
  decide,
  decide_one: decideOne,
  resume,
  by_state: byState,
  cancel,
  limit,
  schedule,
  end_schedule: endSchedule,
  schema,
};

/** Begins to execute durable runs. */
async function launch(command: Json): Promise<void> {
  Object.assign(process.env, command.environment);
  moments.last = command.kill ?? '';
  moments.watchDatabase();
  company = new Company({
    journal: command.journal,
    workSeconds: command.work_seconds ?? {},
    inside: (place) => moments.passBy(`inside ${place}`),
  });
  modelProvider = new OpenAIProvider({ openAIClient: client(command.base_url) as never });
  timestep.configureDBOS({
    agents: (command.companies ?? []).map(agentOf),
    modelProvider,
    leaseSeconds: command.lease_seconds,
    queues: renamed(command.queues ?? {}),
  });
  await timestep.ensureDBOSLaunched();
}

/** Runs, or finds the run and waits for it; approves what it asks for. */
async function run(command: Json): Promise<Json> {
  let result = await timestep.runAgentWorkflow({
    agent: agentOf(command.company),
    inputItems: `Please handle [${command.run}].`,
    ...(command.session && { session: new timestep.Session({ sessionId: command.session }) }),
    stream: command.stream ?? false,
    modelProvider,
    workflowId: command.run,
    timeoutSeconds: command.timeout_seconds,
    approvalSeconds: command.approval_seconds,
  });
  while (command.approve && result.status === 'interrupted') {
    await decideAll(command.run, { approve: true, decided_by: 'worker' });
    result = await (await timestep.resumeRun(command.run)).getResult();
  }
  return report(result);
}

/** Puts runs in a queue, for a language. */
async function queue(command: Json): Promise<string[]> {
  const ids: string[] = [];
  for (const each of command.runs) {
    const handle = await timestep.queueAgentWorkflow({
      agent: agentOf(command.company),
      inputItems: `Please handle [${each}].`,
      session: new timestep.Session({ sessionId: each }),
      workflowId: each,
      runtime: command.runtime,
    });
    ids.push(handle.runId);
  }
  return ids;
}

/** Waits for what a run comes to. */
async function wait(command: Json): Promise<Json> {
  know(command);
  return report(await new timestep.RunHandle(command.run).getResult());
}

/** Decides on all that a run waits for, and lets it lie. */
async function decide(command: Json): Promise<Json[]> {
  return decideAll(command.run, command.decision);
}

/** Decides on one call. */
async function decideOne(command: Json): Promise<void> {
  await timestep.decideApproval(command.approval_id, decisionOf(command.decision));
}

/** Lets a run go on, here if its agent is named, and waits for what it comes to. */
async function resume(command: Json): Promise<Json> {
  know(command);
  return report(await (await timestep.resumeRun(command.run)).getResult());
}

/** Decides on the state of a paused run in memory and goes on from it. */
async function byState(command: Json): Promise<Json> {
  know(command);
  const state = (await new timestep.RunHandle(command.run).getResult()).toState();
  for (const item of state.getInterruptions()) {
    if (command.approve) state.approve(item);
    else state.reject(item, { message: command.message });
  }
  const agent = agentOf(command.company);
  return report(await timestep.runAgentWorkflow({ agent, inputItems: state, modelProvider }));
}

/** Ends a run. */
async function cancel(command: Json): Promise<boolean> {
  return timestep.cancelRun(command.run, { reason: 'cancelled by a test' });
}

/** Limits model calls, everywhere. */
async function limit({ name, requests, tokens, seconds }: Json): Promise<void> {
  const given = { requests, tokens, perSeconds: seconds };
  await timestep.setRateLimit(name, new timestep.ModelRateLimit(given));
}

/** Starts a run every second. */
async function schedule(command: Json): Promise<string> {
  return timestep.createScheduledAgentWorkflow({
    crontab: '* * * * * *',
    agent: agentOf(command.company),
    inputItems: `Please handle [${command.name}].`,
    name: command.name,
  });
}

/** Ends a schedule. */
async function endSchedule({ name }: Json): Promise<boolean> {
  return timestep.deleteSchedule(name);
}

/** The tools of all agents as the model is told of them. */
async function schema(command: Json): Promise<Json> {
  const agents = Object.values(company.agents(command.company));
  const described = agents.map(({ name, tools }) => [
    name,
    Object.fromEntries(tools.map((each: any) => [each.name, each.parameters])),
  ]);
  return Object.fromEntries(described);
}

function agentOf(name: string) {
  return company.agents(name).triage as any;
}

/** Makes the agents of a company known to this process, if one is named. */
function know(command: Json): void {
  if (command.company) timestep.configureDBOS({ agents: [agentOf(command.company)] });
}

async function decideAll(runId: string, decision: Json): Promise<Json[]> {
  const decided: Json[] = [];
  for (const { approvalId } of await timestep.listApprovals({ runId })) {
    const { tool, status } = await timestep.decideApproval(approvalId, decisionOf(decision));
    decided.push({ tool, status });
  }
  return decided;
}

function decisionOf({ decided_by: decidedBy, ...decision }: Json): any {
  return { ...decision, ...(decidedBy && { decidedBy }) };
}

function renamed(queues: Json): any {
  const limits = ({ worker_concurrency, polling_seconds }: Json) => ({
    ...(worker_concurrency && { workerConcurrency: worker_concurrency }),
    ...(polling_seconds && { pollingSeconds: polling_seconds }),
  });
  return Object.fromEntries(Object.entries(queues).map(([name, each]) => [name, limits(each)]));
}

function report({ status, finalOutput, usage, interruptions }: timestep.WorkflowResult): Json {
  return {
    status,
    output: finalOutput ?? null,
    usage: [usage.requests, usage.inputTokens, usage.outputTokens, usage.totalTokens],
    interruptions: interruptions.map((item: any) => item.rawItem.callId),
    moments: moments.seen,
  };
}

function client(baseURL: string): OpenAI {
  return new OpenAI({
    apiKey: 'test-named-by-a-header',
    baseURL,
    maxRetries: 0, // whoever asks twice shall be seen to
    fetch: (url, init) => {
      const headers = new Headers(init?.headers as Headers);
      headers.set('X-Timestep-Script', scriptOf(JSON.parse(String(init?.body)).input));
      headers.set('X-Worker', String(process.pid));
      return fetch(url as string, { ...init, headers } as RequestInit);
    },
  });
}

/** The name of the script that answers a request. */
function scriptOf(items: Json[]): string {
  const last = items.findLastIndex((item) => item.role === 'user');
  const name = /\[([\w.-]+)\]/.exec(JSON.stringify(items[last]?.content))?.[1];
  if (!name) throw new Error('No message of a user names a run in brackets.');
  const outputs = items.slice(last).filter((item) => item.type === 'function_call_output');
  return `${name}-${outputs.length}`;
}

setTraceProcessors([]);
await serve(COMMANDS);
await timestep.cleanupDBOS();
process.exit();
