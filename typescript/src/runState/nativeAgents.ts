/** The same check of agents and tools for a run that is restored from the SDK's own document. */

import { findByIdentity } from './agents.ts';
import { checkEquipment, findEquipment } from './equipment.ts';
import type { AgentReference, AnyAgent, NativeState } from './native.ts';
import { writePending } from './pending.ts';
import type { Run } from './record.ts';
import { statusOf } from './toEnvelope.ts';

/**
 * Checks that every agent and tool that the run waits for is there, with the same arguments.
 *
 * @param context the context to resume with (undefined: the saved one).
 * @throws AgentMismatchError when one is missing, or a tool's arguments have changed (both are shown).
 */
export async function checkNativeAgents(
  document: NativeState,
  agent: AnyAgent,
  context?: unknown,
): Promise<void> {
  const run = namedRun(document);
  const agents = await findByIdentity(run, agent);
  checkEquipment(await findEquipment(run, agents, context ?? document.context.context));
}

/** As much of the run as names agents and tools. */
function namedRun(document: NativeState): Run {
  const waits = statusOf(document) === 'interrupted';
  return {
    agent: identityOf(document.currentAgent),
    ...(waits && { pending: writePending(document, [], namedRun) }),
  } as Run;
}

/** What the SDK tells agents of one name apart by. */
function identityOf({ identity, name }: AgentReference): string {
  return identity ?? name;
}
