// biome-ignore-all lint/suspicious/noExplicitAny: runs of any agent, which the SDK's types cannot say
/** Runs a scenario segment by segment; between two segments the state goes through `carry`. */

import { fileURLToPath } from 'node:url';
import {
  type MCPServer,
  MCPServerStdio,
  MemorySession,
  OpenAIProvider,
  Runner,
  RunState,
  type Session,
  type StreamedRunResult,
} from '@openai/agents';
import { toWireItems } from '../../src/runState/items.ts';
import type { ModelServer } from '../../src/testing/index.ts';
import type { AnyAgent, AnyState, Scenario } from './scenarios.ts';

export interface Outcome {
  requests: unknown[];
  log: string[];
  output: unknown;
  usage: unknown;
  turn: number;
  lastAgent: string | undefined;
  pauses: number;
  history: unknown[] | undefined;
}

/** What happens to a paused state on its way to the next segment. */
export type Carry = (state: AnyState, agent: AnyAgent) => Promise<AnyState>;

export const native: Carry = async (state, agent) => RunState.fromString(agent, state.toString());

export interface Course {
  stream?: boolean;
  /** Decide before the state is carried instead of after. */
  decideFirst?: boolean;
}

let serial = 0;

export async function runThrough(
  server: ModelServer,
  scenario: Scenario,
  carry: Carry,
  { stream = false, decideFirst = false }: Course = {},
): Promise<Outcome> {
  const id = `s${++serial}`;
  const { conversationId } = (scenario.options ?? {}) as { conversationId?: string };
  await server.script(id, scenario.steps, {
    seed: scenario.name,
    loose: true,
    conversations: conversationId ? [conversationId] : [],
  });
  const log: string[] = [];
  const servers: MCPServer[] = scenario.mcp ? [await mcpServer()] : [];
  const session = scenario.session ? plainSession() : undefined;
  const runner = new Runner({
    tracingDisabled: true,
    modelProvider: new OpenAIProvider({
      apiKey: server.apiKey(id),
      baseURL: server.url,
      useResponses: !scenario.chat,
    }),
  });
  const options: Record<string, unknown> = {
    ...scenario.options,
    ...(scenario.context ? { context: scenario.context() } : {}),
  };
  let agent = scenario.agent(log, servers);
  if (scenario.follows) {
    const before = await runner.run(agent, 'before');
    Object.assign(options, { previousResponseId: before.lastResponseId });
  }
  let result = await segment(
    runner,
    agent,
    scenario.input ?? 'hello',
    { ...options, session },
    stream,
  );
  let pauses = 0;
  while (result.interruptions.length > 0) {
    agent = scenario.agent(log, servers);
    if (decideFirst) scenario.decide(result.state, pauses);
    const state = await carry(result.state, agent);
    if (!decideFirst) scenario.decide(state, pauses);
    pauses += 1;
    result = await segment(runner, agent, state, { session }, stream);
  }
  for (const server of servers) await server.close();
  const requests = (await server.requests(id)).map(({ body }) =>
    withoutLeftovers(JSON.parse(body)),
  );
  const { requests: count, inputTokens, outputTokens, totalTokens } = result.state.usage;
  return {
    requests,
    log,
    output: result.finalOutput,
    usage: [count, inputTokens, outputTokens, totalTokens],
    turn: result.state._currentTurn,
    lastAgent: result.lastAgent?.name,
    pauses,
    history: session && toWireItems(await session.getItems()),
  };
}

/** A session of the kind that most are, this library's own included: without transactions. */
function plainSession(): Session {
  return Object.assign(new MemorySession(), { applyHistoryTransaction: undefined }) as Session;
}

async function mcpServer(): Promise<MCPServer> {
  const script = fileURLToPath(new URL('./mcpServer.mjs', import.meta.url));
  const server = new MCPServerStdio({ name: 'stock', command: process.execPath, args: [script] });
  await server.connect();
  return server;
}

async function segment(runner: Runner, agent: AnyAgent, input: any, options: any, stream: boolean) {
  if (!stream) return runner.run(agent, input, options);
  const result = (await runner.run(agent, input, {
    ...options,
    stream: true,
  })) as unknown as StreamedRunResult<any, any>;
  for await (const _ of result);
  await result.completed;
  return result;
}

/** The SDK sends the whole answer of a chat-completions model again inside its text; we do not keep that. */
function withoutLeftovers(body: any): unknown {
  for (const message of body.messages ?? []) {
    if (message.role !== 'assistant' || !Array.isArray(message.content)) continue;
    message.content = message.content.map(({ type, text }: any) => ({ type, text }));
  }
  return body;
}
