// biome-ignore-all lint/suspicious/noExplicitAny: recorded documents of either SDK
/** Recorded runs, of either language and of every SDK version that was ever recorded, load and finish. */

import { readdirSync, readFileSync } from 'node:fs';
import {
  Agent,
  handoff,
  hostedMcpTool,
  OpenAIProvider,
  Runner,
  setTracingDisabled,
  type Tool,
  tool,
  toolNamespace,
} from '@openai/agents';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromEnvelope } from '../../src/runState/fromEnvelope.ts';
import { portableResponseId, type WireItem } from '../../src/runState/items.ts';
import { decode, type Envelope, encode, type Run, runsIn } from '../../src/runState/record.ts';
import { rawAt, rawOf } from '../../src/runState/runItems.ts';
import { toEnvelope } from '../../src/runState/toEnvelope.ts';
import { ModelServer } from '../../src/testing/index.ts';
import type { AnyAgent } from './scenarios.ts';
import { approveAll } from './scenarios.ts';

setTracingDisabled(true);

const folder = new URL('../../../spec/vectors/run_states/', import.meta.url);
const schema = JSON.parse(
  readFileSync(new URL('../../../spec/run-state.schema.json', import.meta.url), 'utf8'),
);
const validate = new Ajv2020({ strict: false }).compile(schema);

interface Vector {
  name: string;
  scenario: string;
  writer: { language: string };
  envelope: Envelope;
  native: unknown;
}

const vectors: Vector[] = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.json'))
  .sort()
  .map((path) => ({ name: path, ...JSON.parse(readFileSync(new URL(path, folder), 'utf8')) }));

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

/** An older document without the ids of chat completions, which are no longer written. */
function asWrittenToday(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asWrittenToday);
  if (typeof value !== 'object' || value === null) return value;
  const { response_id, ...rest } = value as WireItem;
  const id = portableResponseId(response_id as string | undefined);
  const kept = id === undefined ? rest : { ...rest, response_id: id };
  return Object.fromEntries(Object.entries(kept).map(([key, each]) => [key, asWrittenToday(each)]));
}

it('are recorded', () => {
  expect(vectors.length).toBeGreaterThan(40);
});

describe.each(vectors)('$name', ({ name, scenario, writer, envelope, native }) => {
  it('is what the schema says, and comes back letter by letter', async () => {
    expect(validate(envelope), JSON.stringify(validate.errors)).toBe(true);
    const state = await fromEnvelope(decode(encode(envelope)), agentsOf(envelope, native));
    const again = toEnvelope(state);
    expect(encode({ ...again, writer: envelope.writer })).toBe(encode(asWrittenToday(envelope)));
  });

  it('is resumed, and its answers reach the model', async () => {
    const agent = agentsOf(envelope, native);
    const state = await fromEnvelope(envelope, agent);
    approveAll(state);
    const script = name.replaceAll(/\W/g, '_');
    const end = { output: [{ type: 'message' as const, text: '{"ok":true}' }] };
    await server.script(script, Array(6).fill(end), {
      seed: writer.language === 'python' ? 'one' : scenario,
      loose: true,
      conversations: ['conv_1', 'conv_shop'],
    });
    const modelProvider = new OpenAIProvider({
      apiKey: server.apiKey(script),
      baseURL: server.url,
      useResponses: true,
    });
    const runner = new Runner({ modelProvider, tracingDisabled: true });
    // The server must know the response that the run follows: of this seed it is one of the first two.
    const before = new Agent({ name: 'before', model: 'gpt-test' });
    for (let n = 0; envelope.previous_response_id && n < 2; n += 1)
      await runner.run(before, 'hello');
    if (callsServer(envelope)) {
      await expect(runner.run(agent, state)).rejects.toThrow('different MCP recipient');
      return;
    }
    const result = await runner.run(agent, state);
    expect(result.interruptions).toEqual([]);
    expect(result.finalOutput).toBeTypeOf('string');
    const sent = (await server.requests(script)).flatMap(
      ({ body }) => JSON.parse(body).input as WireItem[],
    );
    const answered = new Set(
      sent.map(({ call_id, approval_request_id }) => call_id ?? approval_request_id),
    );
    for (const run of runsIn(envelope)) {
      for (const raw of waiting(run)) expect(answered).toContain(raw.call_id ?? raw.id);
    }
  });
});

/** Whether a call waits for a local MCP server; there is none here, and no other tool may take its place. */
function callsServer(envelope: Envelope): boolean {
  const items = envelope.items ?? [];
  const done = new Set(
    items
      .filter(({ type }) => type === 'tool_call_output_item')
      .map((item) => rawOf(items, item).call_id),
  );
  return (envelope.pending?.functions ?? []).some(({ call, mcp_binding }) => {
    const raw = typeof call === 'number' ? rawAt(items, call) : call;
    return mcp_binding !== undefined && !done.has(raw.call_id);
  });
}

function waiting({ items = [], interruptions = [] }: Run): WireItem[] {
  return interruptions.flatMap((place) => {
    const item = typeof place === 'number' ? items[place] : undefined;
    return item ? [rawOf(items, item)] : [];
  });
}

/** Agents that have all that the run needs: names, tools and their arguments come from the record. */
function agentsOf(envelope: Envelope, native: unknown): AnyAgent {
  const agents = new Map<string, Agent<any, any>>();
  const agentNamed = (name: string) => {
    const known =
      agents.get(name) ?? new Agent({ name, model: 'gpt-test', toolUseBehavior: 'run_llm_again' });
    agents.set(name, known);
    return known;
  };
  for (const run of runsIn(envelope)) {
    const agent = agentNamed(run.agent);
    const items = run.items ?? [];
    const place = (at: number | WireItem) =>
      typeof at === 'number' ? rawOf(items, items[at] as any) : at;
    for (const { call, nested } of run.pending?.functions ?? []) {
      const name = String(place(call).name);
      const made = nested
        ? agentNamed(startOf(nested)).asTool({ toolName: name, toolDescription: '' })
        : plain(place(call), native);
      add(agent, made, place(call).namespace);
    }
    for (const at of run.pending?.mcp ?? []) {
      add(
        agent,
        hostedMcpTool({
          serverLabel: String(place(at).server_label),
          serverUrl: 'https://example.com/mcp',
          requireApproval: 'always',
        }),
      );
    }
    const links = (run.pending?.handoffs ?? []).map(({ call, target }) => [
      run.agent,
      target,
      String(place(call).name),
    ]);
    for (const [i, item] of items.entries()) {
      if (item.type !== 'handoff_output_item') continue;
      const call = items.slice(0, i).findLast(({ type }) => type === 'handoff_call_item');
      links.push([
        item.source_agent ?? '',
        item.target_agent ?? '',
        String(call && rawOf(items, call).name),
      ]);
    }
    for (const [from, to, name] of links) {
      agentNamed(from as string).handoffs.push(
        handoff(agentNamed(to as string), { toolNameOverride: name as string }),
      );
    }
  }
  return agentNamed(startOf(envelope));
}

function add(agent: AnyAgent, extra: Tool<any>, namespace?: unknown): void {
  const key = `${agent.name} ${String(namespace)} ${extra.name}`;
  if (extra.type === 'function' && added.get(agent)?.has(key)) return;
  added.set(agent, (added.get(agent) ?? new Set()).add(key));
  agent.tools.push(extra);
}

const added = new WeakMap<AnyAgent, Set<string>>();

function startOf({ items = [], agent }: Run): string {
  return items.find(({ type }) => type === 'handoff_output_item')?.source_agent ?? agent;
}

function plain({ name, namespace }: WireItem, native: unknown): Tool<any> {
  const parameters = { ...(parametersOf(String(name), native) as any), additionalProperties: true };
  const made = tool({
    name: String(name),
    description: '',
    strict: false,
    parameters,
    execute: async () => 'ok',
  });
  if (typeof namespace !== 'string') return made;
  return toolNamespace({
    name: namespace,
    description: 'A namespace.',
    tools: [made],
  })[0] as Tool<any>;
}

/** The arguments of a tool, found in whichever form the SDK's own document has. */
function parametersOf(name: string, value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('{"$schemaVersion"'))
    return parametersOf(name, JSON.parse(value));
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as WireItem;
  const schema = record.name === name ? (record.paramsJsonSchema ?? record.parameters) : undefined;
  if (schema) return schema;
  for (const member of Object.values(record)) {
    const found = parametersOf(name, member);
    if (found) return found;
  }
  return undefined;
}
