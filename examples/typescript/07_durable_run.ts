/**
 * A run that outlives its process. Kill it while it ships, and start it again, here or there.
 *
 * node 07_durable_run.ts order-1         kill it with kill -9 when it says so
 * python 07_durable_run.py order-1       or: node 07_durable_run.ts order-1
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, tool } from '@openai/agents';
import {
  cleanupDBOS,
  configureDBOS,
  ensureDBOSLaunched,
  idempotencyKey,
  runAgentWorkflow,
} from '@timestep-ai/timestep';
import { z } from 'zod';

const charge = tool({
  name: 'charge',
  description: 'Take money from the customer.',
  parameters: z.object({ amount: z.number() }),
  execute: async ({ amount }) => {
    console.log(`Charging ${amount}, with the key ${idempotencyKey()}`);
    return `Charged ${amount}.`;
  },
});

const ship = tool({
  name: 'ship',
  description: 'Send the parcel.',
  parameters: z.object({}),
  execute: async () => {
    console.log(`Shipping, with the key ${idempotencyKey()}`);
    console.log(`  now is the time: kill -9 ${process.pid}`);
    await sleep(5_000);
    return 'The parcel is on its way.';
  },
});

const agent = new Agent({
  name: 'fulfilment',
  model: 'gpt-4.1',
  instructions: 'Charge the customer, then ship. One tool after the other; do not ask back.',
  tools: [charge, ship],
});

const [runId] = process.argv.slice(2);
if (!runId) throw new Error('node 07_durable_run.ts <run id>');

// After so many seconds of silence a process counts as dead. The default is 30.
configureDBOS({ leaseSeconds: 3 });
await ensureDBOSLaunched();
const result = await runAgentWorkflow({
  agent,
  inputItems: 'One blue cup for 42, please.',
  workflowId: runId,
});
console.log(result.finalOutput);
await cleanupDBOS();
