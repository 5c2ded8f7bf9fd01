/** What the other language cannot continue, refused by name. */

import { NotPortableError } from '../errors.ts';
import type { AgentReference, NativeItem, NativeState } from './native.ts';

/** @throws NotPortableError, in words, for the first thing in the run that is not portable. */
export function assertPortable(native: NativeState): void {
  const found = reasons(native).find(([isThere]) => isThere);
  if (found)
    throw new NotPortableError(`This run cannot be continued in the other language: ${found[1]}.`);
  const twin = agentsIn(native).find(({ identity, name }) => identity && identity !== name);
  if (twin) {
    throw new NotPortableError(
      `This run cannot be continued in the other language: two agents have the name "${twin.name}". ` +
        'Give every agent a name of its own.',
    );
  }
}

function reasons(native: NativeState): [boolean, string][] {
  const { currentStep, lastProcessedResponse: pending } = native;
  const isWaiting = currentStep?.type === 'next_step_interruption';
  const has = (actions: unknown[] | undefined) => isWaiting && (actions?.length ?? 0) > 0;
  const waiting = currentStep?.data?.interruptions ?? [];
  const kinds = new Set(waiting.map(({ rawItem }) => rawItem.type));
  return [
    [native.sandbox !== undefined, 'it has a sandbox'],
    [
      native.timestepContextLeftOut !== undefined,
      `its context is ${native.timestepContextLeftOut}, but only a plain object can be read by the ` +
        'other language: use one, or give a contextSerializer',
    ],
    [native.pendingSessionWrite !== undefined, 'a write to its session is not finished'],
    [
      native.pendingSessionHistoryTransaction !== undefined,
      'a change of its session is not finished',
    ],
    [
      Boolean(currentStep?.responseAccepted ?? currentStep?.data?.responseAccepted),
      'a response of the model was accepted but not processed',
    ],
    [
      has(pending?.computerActions) || kinds.has('computer_call'),
      'an action on a computer is pending',
    ],
    [has(pending?.shellActions) || kinds.has('shell_call'), 'a shell command is pending'],
    [has(pending?.applyPatchActions) || kinds.has('apply_patch_call'), 'a patch is pending'],
    [
      has(pending?.functionToolsNotFound),
      'a call of a tool that the agent does not have is pending',
    ],
    [
      isWaiting &&
        (pending?.functions ?? []).some(({ mcpToolBinding }) => mcpToolBinding === 'unknown'),
      'it is not known which MCP server a pending call is for',
    ],
    [
      Object.keys(native.context.legacyFunctionApprovals ?? {}).length > 0,
      'an older SDK wrote its approvals, which do not say whose tools they are for',
    ],
  ];
}

function agentsIn(native: NativeState): AgentReference[] {
  const ofItem = ({ agent, sourceAgent, targetAgent }: NativeItem) => [
    agent,
    sourceAgent,
    targetAgent,
  ];
  return [native.currentAgent, ...native.generatedItems.flatMap(ofItem)].filter(
    (a) => a !== undefined,
  );
}
