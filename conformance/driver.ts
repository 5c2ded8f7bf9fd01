// biome-ignore-all lint/suspicious/noExplicitAny: scenarios are JSON that only the SDK looks into
/** Starts, decides and resumes runs of scenarios, in TypeScript. driver.py is the same. */

import { OpenAIProvider, type RunState, setTraceProcessors } from '@openai/agents';
import * as timestep from '@timestep-ai/timestep';
import { RunStateStore, runAgent, Session } from '@timestep-ai/timestep';
import {
  buildAgents,
  buildContext,
  type Json,
  localMcpServers,
  type McpServers,
} from './scenario.ts';
import { type Command, serve, type Tell } from './serving.ts';

type State = RunState<any, any>;

const mcpServers: McpServers = new Map();

const COMMANDS: Record<string, Command> = {
  start,
  decide,
  resume,
  save_many: saveMany,
  open,
  names,
};

/** Run the scenario from its input; save it if it pauses. */
async function start(command: Json, tell: Tell): Promise<Json> {
  const { scenario } = command;
  const result = await run(command, tell, scenario.input, startOptions(scenario));
  if (result.interruptions.length === 0) return report(result);
  await using store = storeOf(command, tell);
  tell({ event: 'saving' });
  const version = await store.save(result.state);
  tell({ event: 'saved', version });
  return report(result, version);
}

/** Load the saved run, decide, and save it again without running it. */
async function decide(command: Json, tell: Tell): Promise<Json> {
  await using store = storeOf(command, tell);
  const state = await store.load();
  decideOn(state, command);
  tell({ event: 'saving' });
  const version = await store.save(state);
  tell({ event: 'saved', version });
  return { version };
}

/** Load the saved run, decide, and run it on. */
async function resume(command: Json, tell: Tell): Promise<Json> {
  await using store = storeOf(command, tell);
  const state = await store.load();
  tell({ event: 'loaded' });
  decideOn(state, command);
  return report(await run(command, tell, state));
}

/** Run to the pause, then save the state in many sessions at once. */
async function saveMany(command: Json, tell: Tell): Promise<number[]> {
  const result = await run(command, tell, command.scenario.input);
  return Promise.all(
    command.session_ids.map((session_id: string) =>
      storeOf({ ...command, session_id }, tell).save(result.state),
    ),
  );
}

/** Open the database, which makes its tables where there are none. */
async function open({ session_id, database }: Json): Promise<number> {
  const session = new Session({ sessionId: session_id, connectionString: database });
  return (await session.getItems()).length;
}

/** What the package exports, and which of it are its errors. */
async function names(): Promise<Json> {
  const errors = Object.entries(timestep).filter(
    ([, value]: [string, any]) =>
      value === timestep.TimestepError || value?.prototype instanceof timestep.TimestepError,
  );
  return { exports: Object.keys(timestep), errors: errors.map(([name]) => name) };
}

async function run(command: Json, tell: Tell, runInput: any, options: Json = {}): Promise<any> {
  const { scenario, session_id: sessionId, database, script, base_url: baseURL } = command;
  const session = new Session({ sessionId, connectionString: database });
  const useResponses = scenario.api !== 'chat_completions';
  const provider = new OpenAIProvider({ apiKey: `test-${script}`, baseURL, useResponses });
  const { workflow_name, trace_id, group_id, trace_metadata } = scenario.trace ?? {};
  const trace = {
    workflowName: workflow_name,
    traceId: trace_id,
    groupId: group_id,
    traceMetadata: trace_metadata,
  };
  return runAgent(
    agentOf(command, tell),
    runInput,
    scenario.session ? session : undefined,
    command.stream ?? false,
    undefined,
    provider,
    {
      ...options,
      runConfig: { tracingDisabled: !scenario.trace, ...(scenario.trace && trace) },
    },
  );
}

function startOptions(scenario: Json): Json {
  const { max_turns, conversation_id, previous_response_id } = scenario.options ?? {};
  return {
    context: buildContext(scenario),
    ...(max_turns !== undefined && { maxTurns: max_turns }),
    ...(conversation_id && { conversationId: conversation_id }),
    ...(previous_response_id && { previousResponseId: previous_response_id }),
  };
}

function storeOf(command: Json, tell: Tell): RunStateStore {
  return new RunStateStore({
    agent: agentOf(command, tell),
    sessionId: command.session_id,
    connectionString: command.database,
  });
}

function agentOf(command: Json, tell: Tell) {
  const record = (tool: string, args: string, callId: string) =>
    tell({ event: 'executed', tool, arguments: args, call_id: callId });
  return buildAgents(command.scenario, record, mcpServers);
}

/** Apply the decisions, each to the interruption of its call. */
function decideOn(state: State, command: Json): void {
  const waiting = new Map(state.getInterruptions().map((item) => [callId(item.rawItem), item]));
  for (const { call, approve, always = false, message } of command.decisions ?? []) {
    const item = waiting.get(call);
    if (!item) throw new Error(`Nothing waits with the id ${call}.`);
    if (approve) state.approve(item, { alwaysApprove: always });
    else state.reject(item, { alwaysReject: always, ...(message && { message }) });
  }
  if (command.add_input) state.addInput(command.add_input);
}

function report(result: any, version: number | null = null): Json {
  const { usage } = result.runContext ?? result.state;
  return {
    version,
    turn: result.state.toJSON().currentTurn,
    final_output: result.interruptions.length > 0 ? null : result.finalOutput,
    last_agent: result.lastAgent.name,
    interruptions: result.interruptions.map((item: any) => ({
      call_id: callId(item.rawItem),
      tool: item.name,
      agent: item.agent.name,
    })),
    usage: {
      requests: usage.requests,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      total_tokens: usage.totalTokens,
      input_tokens_details: numbers(usage.inputTokensDetails),
      output_tokens_details: numbers(usage.outputTokensDetails),
    },
  };
}

/** The sums of the details, of which this SDK keeps one for each request. */
function numbers(details: Json[]): Json {
  const sums: Json = {};
  for (const [name, count] of details.flatMap((each) => Object.entries(each)).sort()) {
    if (count) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

function callId(raw: any): string {
  return raw.callId ?? raw.providerData?.id ?? raw.id;
}

async function connect(command: Json): Promise<void> {
  for (const [name, server] of localMcpServers(command.scenario ?? { agents: {} })) {
    if (mcpServers.has(name)) continue;
    await server.connect();
    mcpServers.set(name, server);
  }
}

setTraceProcessors([]);
await serve(COMMANDS, connect);
await Promise.all([...mcpServers.values()].map((server) => server.close()));
process.exit();
