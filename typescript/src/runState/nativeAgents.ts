/** The same check of agents and tools for a run that is restored from the SDK's own document. */

import { NotPortableError } from '../errors.ts';
import { findAgents } from './agents.ts';
import { checkEquipment, findEquipment } from './equipment.ts';
import type { AnyAgent, NativeState } from './native.ts';
import { writePending } from './pending.ts';
import type { Run } from './record.ts';
import { statusOf } from './toEnvelope.ts';

/**
 * Checks that every agent and tool that the run waits for is there, with the same arguments.
 *
 * Where two agents have one name, the SDK's own document tells them apart and its loader checks.
 *
 * @throws AgentMismatchError when one is missing, or a tool's arguments have changed (both are shown).
 */
export async function checkNativeAgents(document: NativeState, agent: AnyAgent): Promise<void> {
  const run = namedRun(document);
  try {
    const agents = await findAgents(run, agent);
    checkEquipment(await findEquipment(run, agents, document.context.context));
  } catch (error) {
    if (!(error instanceof NotPortableError)) throw error;
  }
}

/** As much of the run as names agents and tools. */
function namedRun(document: NativeState): Run {
  const waits = statusOf(document) === 'interrupted';
  return {
    agent: document.currentAgent.name,
    ...(waits && { pending: writePending(document, [], namedRun) }),
  } as Run;
}
