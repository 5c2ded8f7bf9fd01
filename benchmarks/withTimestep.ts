/** The counting agent in durable runs of Timestep, killed and started again; see recovered.py. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  configureDBOS,
  ensureDBOSLaunched,
  listRuns,
  runAgentWorkflow,
} from '@timestep-ai/timestep';
import { counter } from './counting.ts';
import { calls, say } from './said.ts';

const { runs, turns, stop_at: stopAt } = JSON.parse(process.argv[2] ?? '');

const agent = counter(turns, { before: calls(stopAt) });
configureDBOS({ name: 'bench-recovery', agents: [agent], executorId: 'bench' });
say('launch');
await ensureDBOSLaunched();
if (stopAt) {
  const run = () => runAgentWorkflow({ agent, inputItems: 'go', maxTurns: turns + 1 });
  await Promise.all(Array.from({ length: runs }, run));
}
while ((await listRuns({ status: 'running' })).length > 0) await sleep(200);
say('ended');
