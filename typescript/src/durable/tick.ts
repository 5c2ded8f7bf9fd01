/** The workflow that DBOS starts by the clock. */

import { createHash } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { enqueue, enqueueOptions } from './dbosQueue.ts';
import { currentProcess, type Process } from './process.ts';
import { calling } from './sql.ts';

interface ScheduleRow {
  agent: string;
  session_id: string | null;
  input: string;
  options: string;
  queue_name: string;
}

/** What a schedule of DBOS says about ours. */
export interface TickContext {
  schedule: string;
}

/** Puts the run of one tick in its queue. */
export const scheduledRun: (scheduledAt: Date, context: TickContext) => Promise<void> =
  DBOS.registerWorkflow(
    async (scheduledAt: Date, { schedule }: TickContext) => {
      const process = currentProcess();
      if (process) await tick(process, scheduledAt, schedule);
    },
    { name: 'timestep.scheduled_run' },
  );

async function tick(process: Process, scheduledAt: Date, name: string): Promise<void> {
  const [schedule] = await process.database.query<ScheduleRow>(
    `select * from timestep.schedules where name = $1 and language = 'typescript'`,
    [name],
    { repeatable: true },
  );
  if (!schedule) return; // deleted, or of the other language now
  const { agent, session_id, input, options, queue_name: queueName } = schedule;
  const run_id = `${name}@${scheduledAt.toISOString().replace(/\.\d+Z$/, 'Z')}`;
  const sha256 = createHash('sha256').update(input).digest('hex');
  await process.database.query(
    calling('create_run_v1', 11),
    [
      run_id,
      agent,
      session_id,
      'typescript',
      process.instance,
      input,
      sha256,
      options,
      queueName,
      name,
      null,
    ],
    { repeatable: true },
  );
  const enqueued = { runId: run_id, queueName, language: 'typescript' } as const;
  await enqueue(enqueueOptions(process.configuration, enqueued), { run_id, segment: 0 });
  await process.database.query('select timestep.mark_enqueued_v1($1)', [run_id], {
    repeatable: true,
  });
}
