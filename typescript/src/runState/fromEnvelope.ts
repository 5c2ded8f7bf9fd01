/** From the document that both languages read to a state that the SDK resumes. */

import { type RunContext, RunState, RunToolApprovalItem } from '@openai/agents';
import { type Agents, findAgents } from './agents.ts';
import { callIdOf, decisionOn, isAbout, isSameSubject } from './decisions.ts';
import { checkEquipment, findEquipment } from './equipment.ts';
import type { WireItem } from './items.ts';
import type { AnyAgent, AnyRunState } from './native.ts';
import { nativeRun } from './nativeRun.ts';
import { interruptionOf } from './pending.ts';
import { type Approval, type Envelope, type Run, runsIn } from './record.ts';
import { approvalItem, rawOf, stateKey } from './runItems.ts';
import { rememberOrigin } from './toEnvelope.ts';

export interface FromEnvelopeOptions {
  /** The context object to go on with. Default: the saved one. */
  context?: unknown;
  /** Makes the context object out of the saved one. */
  contextDeserializer?: ((context: Record<string, unknown>) => unknown) | undefined;
}

/**
 * The saved run as a state, ready to be decided on and resumed.
 *
 * @param agent the agent that the run started with.
 * @throws AgentMismatchError when an agent or tool that the run needs is missing or changed.
 * @throws NotPortableError when two agents have the same name.
 */
export async function fromEnvelope(
  envelope: Envelope,
  agent: AnyAgent,
  { context, contextDeserializer }: FromEnvelopeOptions = {},
): Promise<AnyRunState> {
  const saved = envelope.context ?? {};
  const live = context ?? contextDeserializer?.(saved) ?? saved;
  const agents = await findAgents(envelope, agent);
  const equipment = await findEquipment(envelope, agents, live);
  checkEquipment(equipment);
  const document = await nativeRun(envelope, { agents, equipment, root: agent });
  const state: AnyRunState = await RunState.fromString(agent, JSON.stringify(document));
  (state._context as RunContext<unknown>).context = live;
  for (const run of runsIn(envelope)) applyDecisions(run, envelope, state, agents);
  rememberOrigin(state, envelope);
  return state;
}

/** Makes the run's decisions anew, those on all calls first: the SDK forgets single ones then. */
function applyDecisions(run: Run, outermost: Run, state: AnyRunState, agents: Agents): void {
  const approvals = run.approvals ?? [];
  const always = approvals.filter(({ scope }) => scope === 'always');
  for (const approval of always) {
    if (run !== outermost && reachesOthers(approval, run, outermost))
      applyToPending(approval, run, state, agents);
    else decide(state, approval, anyCallOf(approval, run, agents), agents);
  }
  for (const approval of approvals) {
    if (approval.scope === 'call') decide(state, approval, callOf(approval, run), agents);
  }
}

/** A call that a decision is about, and the agent that made it. */
interface Call {
  raw: WireItem;
  agent: string;
}

function callOf(approval: Approval, run: Run): Call | undefined {
  return callsOf(approval, run).find(({ raw }) => callIdOf(raw) === approval.call_id);
}

function callsOf(approval: Approval, { items = [], agent }: Run): Call[] {
  const calls = items.map((item) => ({ raw: rawOf(items, item), agent: item.agent ?? agent }));
  return calls.filter((call) => isAbout(approval, call.raw, call.agent));
}

/** Any call will do to decide on all of them; the SDK keeps the tool and forgets the call. */
function anyCallOf(approval: Approval, run: Run, agents: Agents): Call | undefined {
  const [call] = callsOf(approval, run);
  if (call) return call;
  const agent = approval.agent ?? run.agent;
  if (!agents.has(agent)) return undefined;
  const call_id = 'none';
  if (approval.kind === 'hosted_mcp') {
    const { tool: name, server_label } = approval;
    const raw = { type: 'mcp_approval_request', id: call_id, name, server_label, arguments: '' };
    return { raw, agent };
  }
  const [kind, ...names] = approval.tool_key ?? ['bare', approval.tool ?? ''];
  const raw = { type: 'function_call', call_id, name: names.at(-1), arguments: '' };
  return { raw: kind === 'namespaced' ? { ...raw, namespace: names[0] } : raw, agent };
}

function decide(
  state: AnyRunState,
  { decision, message, scope, tool_key }: Approval,
  call: Call | undefined,
  agents: Agents,
): void {
  const agent = call && agents.get(call.agent);
  if (!call || !agent) return;
  const raw = approvalItem(call.raw) as never;
  const name = typeof call.raw.name === 'string' ? call.raw.name : undefined;
  const item = new RunToolApprovalItem(raw, agent, name, stateKey(tool_key, call.raw));
  const always = scope === 'always';
  if (decision === 'approved') state.approve(item, { alwaysApprove: always });
  else state.reject(item, { alwaysReject: always, ...(message === undefined ? {} : { message }) });
}

/**
 * Whether a decision on all calls in a nested run would also decide for another one: the SDK keeps the
 * decisions of all runs in one place, and there somebody still waits for the same tool.
 */
function reachesOthers(approval: Approval, run: Run, outermost: Run): boolean {
  return runsIn(outermost).some((other) => {
    if (
      other === run ||
      (other.approvals ?? []).some((decision) => isSameSubject(decision, approval))
    ) {
      return false;
    }
    return waitingIn(other).some(({ raw, agent }) => {
      return isAbout(approval, raw, agent) && !decisionOn(other.approvals ?? [], raw, agent);
    });
  });
}

function applyToPending(approval: Approval, run: Run, state: AnyRunState, agents: Agents): void {
  for (const call of waitingIn(run)) {
    if (isAbout(approval, call.raw, call.agent))
      decide(state, { ...approval, scope: 'call' }, call, agents);
  }
}

/** What waits in this run itself. */
function waitingIn(run: Run): Call[] {
  return (run.interruptions ?? []).flatMap((entry, i) => {
    if (typeof entry === 'object' && 'nested' in entry) return [];
    const item = interruptionOf(run, i);
    return item ? [{ raw: item.raw, agent: item.agent ?? run.agent }] : [];
  });
}
