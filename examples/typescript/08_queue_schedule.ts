/**
 * Runs that wait in a queue for a worker of either language, and runs by the clock.
 *
 * node 08_queue_schedule.ts work             executes what comes; end it with Ctrl-C
 * node 08_queue_schedule.ts queue python     three runs for a Python worker (or: typescript)
 * node 08_queue_schedule.ts schedule         one run every second, until two have ended
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from '@openai/agents';
import {
  cleanupDBOS,
  configureDBOS,
  createScheduledAgentWorkflow,
  deleteSchedule,
  ensureDBOSLaunched,
  listRuns,
  ModelRateLimit,
  queueAgentWorkflow,
  type RunRecord,
  setRateLimit,
} from '@timestep-ai/timestep';

const agent = new Agent({
  name: 'reporter',
  model: 'gpt-4.1',
  instructions: 'Report in one sentence.',
});

async function work(): Promise<void> {
  await setRateLimit('gpt-4.1', new ModelRateLimit({ requests: 100, perSeconds: 60 }));
  console.log('Working.'); // the process stays until it is ended
}

async function queue(runtime: 'python' | 'typescript'): Promise<void> {
  const topics = ['orders', 'refunds', 'parcels'];
  const handles = await Promise.all(
    topics.map((topic, index) =>
      queueAgentWorkflow({
        agent,
        inputItems: `Report on ${topic}.`,
        queueName: 'reports',
        priority: index + 1,
        runtime,
      }),
    ),
  );
  for (const handle of handles) console.log((await handle.getResult()).finalOutput);
  const ids = new Set(handles.map((handle) => handle.runId));
  const runs = (await listRuns({ agent: 'reporter' })).filter((run) => ids.has(run.runId));
  console.log('Executed by:', ...new Set(runs.map((run) => run.language)));
  await cleanupDBOS();
}

async function schedule(): Promise<void> {
  const name = await createScheduledAgentWorkflow({
    crontab: '* * * * * *',
    agent,
    inputItems: 'Report.',
    name: 'every-second',
  });
  let ended: RunRecord[] = [];
  while (ended.length < 2) {
    await sleep(500);
    const completed = await listRuns({ status: 'completed', agent: 'reporter' });
    ended = completed.filter((run) => run.schedule === name);
  }
  await deleteSchedule(name);
  for (const run of ended.slice(-2)) console.log(`A run of ${run.schedule}: ${run.output}`);
  await cleanupDBOS();
}

const [command, runtime] = process.argv.slice(2);
configureDBOS({ agents: [agent], queues: { reports: { concurrency: 2 } } });
await ensureDBOSLaunched();
if (command === 'work') await work();
else if (command === 'queue' && (runtime === 'python' || runtime === 'typescript'))
  await queue(runtime);
else if (command === 'schedule') await schedule();
else throw new Error('node 08_queue_schedule.ts work | queue <language> | schedule');
