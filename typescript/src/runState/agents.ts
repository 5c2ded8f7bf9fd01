/** Agents by name: a saved run finds its agents again from the one that it is loaded with. */

import { type Agent, Handoff, handoff, RunState } from '@openai/agents';
import { AgentMismatchError, NotPortableError } from '../errors.ts';
import { warn } from '../logger.ts';
import type { WireItem } from './items.ts';
import { type AnyAgent, TRANSLATED_VERSION } from './native.ts';
import { type Place, type Run, runsIn } from './record.ts';
import { rawAt } from './runItems.ts';

/** Agents by their names. */
export type Agents = Map<string, AnyAgent>;

/**
 * All agents of the saved run, found from the one it is loaded with.
 *
 * @throws AgentMismatchError when one is missing; the message says which are there.
 * @throws NotPortableError when two agents have the same name.
 */
export async function findAgents(run: Run, root: AnyAgent): Promise<Agents> {
  const found = await findByIdentity(run, root);
  for (const name of found.keys()) {
    if (await findAgent(root, `${name}#2`)) {
      throw new NotPortableError(`Two agents have the name "${name}": give every agent its own.`);
    }
  }
  return found;
}

/**
 * The same for a run that names its agents as the SDK tells them apart, which two of one name may be.
 *
 * @throws AgentMismatchError when one is missing; the message says which are there.
 */
export async function findByIdentity(run: Run, root: AnyAgent): Promise<Agents> {
  const found: Agents = new Map();
  for (const identity of namesIn(run)) {
    const agent = await findAgent(root, identity);
    if (!agent) throw missingAgent(identity, root);
    found.set(identity, agent);
  }
  return found;
}

function missingAgent(name: string, root: AnyAgent): AgentMismatchError {
  return new AgentMismatchError(
    `The saved run needs an agent named "${name}". From the agent "${root.name}" these can be ` +
      `reached: ${listed(handoffGraph(root).map((agent) => agent.name))}, and agents that are used ` +
      'as tools. Load the run with the agent that it was saved with.',
  );
}

/**
 * Refuses agents that share a name: a saved run finds its agents by it.
 *
 * @throws NotPortableError which names them.
 */
export function refuseSharedNames(root: AnyAgent): void {
  const names = handoffGraph(root).map(({ name }) => name);
  const shared = names.filter((name, index) => names.indexOf(name) !== index);
  if (shared.length === 0) return;
  throw new NotPortableError(
    `Several agents are named ${listed([...new Set(shared)])}: a saved run finds its agents by ` +
      'name, so give each a name of its own.',
  );
}

/** Which of the SDK's own names for agents and tools differ between the languages, told once each. */
export function warnOfNames(run: Run, root: AnyAgent): void {
  for (const agent of handoffGraph(root)) {
    for (const entry of agent.handoffs) {
      const target: AnyAgent = entry instanceof Handoff ? entry.agent : entry;
      const isDefault = !(entry instanceof Handoff) || entry.toolName === handoff(target).toolName;
      if (isDefault && !isPortableName(target.name)) warnOnce('handoffs to the agent', target.name);
    }
  }
  for (const { items = [], pending } of runsIn(run)) {
    for (const { call, nested } of pending?.functions ?? []) {
      const tool = String(rawIn(items, call).name);
      if (nested && tool === defaultToolName(nested.agent) && !isPortableName(tool)) {
        warnOnce('the agent as a tool', nested.agent);
      }
    }
  }
}

function defaultToolName(agent: string): string {
  return agent.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

const warned = new Set<string>();

function warnOnce(what: string, name: string): void {
  const subject = `${what} "${name}"`;
  if (warned.has(subject)) return;
  warned.add(subject);
  warn(
    `${subject}: the tool's name is made from the agent's, in Python in lower case. A run that ` +
      'changes language finds it only if the name is the same: use [a-z0-9_] in agent names, or name the tool.',
    'TIMESTEP_NAMES_DIFFER',
  );
}

function isPortableName(name: string): boolean {
  return /^[a-z0-9_]+$/.test(name);
}

/** The agents that handoffs lead to, the first one included. */
function handoffGraph(root: AnyAgent): AnyAgent[] {
  const seen = new Set<AnyAgent>([root]);
  for (const agent of seen) {
    for (const entry of agent.handoffs) seen.add(entry instanceof Handoff ? entry.agent : entry);
  }
  return [...seen];
}

/**
 * The agent of this name or identity, wherever it hangs: only the SDK knows which agents are behind
 * tools, and it says so when it reads a run that waits for a call of that agent.
 */
async function findAgent(root: AnyAgent, identity: string): Promise<AnyAgent | undefined> {
  if (identity === root.name) return root; // of those with its name it is always the first
  const waiting = {
    type: 'tool_approval_item',
    rawItem: { type: 'function_call', callId: 'call', name: 'tool', arguments: '{}' },
    agent: { name: identity, identity },
  };
  const document = {
    ...emptyDocument(root),
    currentStep: { type: 'next_step_interruption', data: { interruptions: [waiting] } },
  };
  try {
    const state = await RunState.fromString(root, JSON.stringify(document));
    return state.getInterruptions()[0]?.agent as Agent;
  } catch (error) {
    if (error instanceof Error && error.message.includes('not found')) return undefined;
    throw error;
  }
}

/** A document of the SDK in which nothing has happened yet. */
export function emptyDocument(root: AnyAgent): Record<string, unknown> {
  return {
    $schemaVersion: TRANSLATED_VERSION,
    currentTurn: 0,
    currentAgent: { name: root.name },
    originalInput: '',
    modelResponses: [],
    context: {
      usage: { requests: 0, inputTokens: 0, outputTokens: 0, totalTokens: 0 },
      approvals: {},
      approvalInvocations: [],
      context: {},
    },
    toolUseTracker: {},
    maxTurns: null,
    noActiveAgentRun: true,
    inputGuardrailResults: [],
    outputGuardrailResults: [],
    generatedItems: [],
    completedToolInvocations: [],
    completedToolInvocationEvidence: [],
    ambiguousToolInvocationCallIds: [],
    trace: null,
  };
}

function namesIn(run: Run): Set<string> {
  return new Set(
    runsIn(run)
      .flatMap(({ agent, items = [], approvals = [], pending, guardrails, interruptions = [] }) => [
        agent,
        ...items.flatMap((item) => [item.agent, item.source_agent, item.target_agent]),
        ...approvals.map((approval) => approval.agent),
        ...(pending?.handoffs ?? []).map(({ target }) => target),
        ...(guardrails?.output ?? []).map((result) => result.agent),
        ...interruptions.map((entry) =>
          typeof entry === 'object' && 'type' in entry ? entry.agent : undefined,
        ),
      ])
      .filter((name) => name !== undefined),
  );
}

export function rawIn(items: NonNullable<Run['items']>, place: Place<WireItem>): WireItem {
  return typeof place === 'number' ? rawAt(items, place) : place;
}

export function listed(names: string[]): string {
  return names.length > 0 ? names.join(', ') : 'none';
}
