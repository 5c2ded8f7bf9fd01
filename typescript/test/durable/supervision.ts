/** What a worker can be told about queues, limits, schedules and decisions; see worker.ts. */

import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Agent, tool } from '@openai/agents';
import { z } from 'zod';
import {
  createScheduledAgentWorkflow,
  decideApproval,
  deleteSchedule,
  listApprovals,
  listRuns,
  ModelRateLimit,
  type QueueOptions,
  queueAgentWorkflow,
  type RunHandle,
  resumeRun,
  runAgentWorkflow,
  setRateLimit,
  type WorkflowResult,
} from '../../src/durable/index.ts';

type Answer = Record<string, unknown>;

/** A tool that, with BLOCKS, computes for so long that nothing else happens in its process. */
export function blocking(note: (what: 'start' | 'end', name: string, value: unknown) => void) {
  return tool({
    name: 'block',
    description: '',
    parameters: z.object({ seconds: z.number() }),
    execute: async ({ seconds }) => {
      note('start', 'block', seconds);
      if (process.env.BLOCKS) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
      }
      note('end', 'block', seconds);
      return 'computed';
    },
  });
}

/** The commands, for an agent. */
export function supervision(agent: Agent, answer: (result: WorkflowResult) => Answer) {
  const resultsOf = (handles: RunHandle[]) =>
    Promise.all(handles.map(async (handle) => answer(await handle.getResult())));

  async function queue({
    ids,
    wait = true,
    priorities,
    ...given
  }: {
    ids: string[];
    wait?: boolean;
    priorities?: number[];
    queue_name?: string;
    deduplication_id?: string;
    runtime?: QueueOptions['runtime'];
  }): Promise<Answer[]> {
    const handles: RunHandle[] = [];
    for (const [index, workflowId] of ids.entries()) {
      const handle = await queueAgentWorkflow({
        agent,
        inputItems: 'please',
        workflowId,
        priority: priorities?.[index],
        queueName: given.queue_name,
        deduplicationId: given.deduplication_id,
        runtime: given.runtime,
      });
      handles.push(handle);
    }
    return wait ? await resultsOf(handles) : handles.map(({ runId }) => ({ run_id: runId }));
  }

  /** Decides on all that a run waits for, and lets it go on so many times at once. */
  async function decide({
    workflow_id,
    resumes = 1,
    ...decision
  }: {
    workflow_id: string;
    resumes?: number;
    approve: boolean;
    message?: string;
    arguments?: Record<string, unknown>;
    always?: boolean;
  }): Promise<Answer[]> {
    for (const { approvalId } of await listApprovals({ runId: workflow_id })) {
      await decideApproval(approvalId, { ...decision, decidedBy: 'worker' });
    }
    const resumed = Array.from({ length: resumes }, () => resumeRun(workflow_id));
    return await resultsOf(await Promise.all(resumed));
  }

  /** Runs under a limit that it sets. */
  async function limited({
    ids,
    requests,
    tokens,
    seconds,
  }: {
    ids: string[];
    requests?: number;
    tokens?: number;
    seconds: number;
  }): Promise<Answer[]> {
    await setRateLimit('openai', new ModelRateLimit({ requests, tokens, perSeconds: seconds }));
    const runs = ids.map((workflowId) =>
      runAgentWorkflow({ agent, inputItems: 'please', workflowId }),
    );
    return (await Promise.all(runs)).map(answer);
  }

  /** Makes schedules, waits for so many runs of each, and ends them; with 0 runs they stay. */
  async function schedule({
    names,
    runs,
    crontab = '* * * * * *',
    timezone,
  }: {
    names: string[];
    runs: number;
    crontab?: string;
    timezone?: string;
  }): Promise<unknown> {
    for (const name of names) {
      const given = { crontab, timezone, name, inputItems: 'tick' };
      await createScheduledAgentWorkflow({ agent, ...given });
    }
    if (runs === 0) return names;
    const ticked = async () => {
      const found = await listRuns({ status: 'completed' });
      return names.every((name) => found.filter((run) => run.schedule === name).length >= runs);
    };
    while (!(await ticked())) await sleep(100);
    const ended = await Promise.all(names.map(deleteSchedule));
    const found = await listRuns({ status: 'completed' });
    return ended.every(Boolean) ? found.map(({ runId }) => runId).sort() : ended;
  }

  return { queue, decide, limited, schedule };
}
