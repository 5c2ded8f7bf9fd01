/** Queues as DBOS keeps them, with the limits that this process was configured with. */

import { DBOS, DBOSClient, type EnqueueWorkflowOptions } from '@dbos-inc/dbos-sdk';
import { type Configuration, DEFAULT_QUEUE, type Runtime } from './configuration.ts';
import { dbosLogger } from './dbosLogger.ts';
import { outside } from './outside.ts';
import type { RunArgument } from './runArgument.ts';

const POLLING_SECONDS = 0.2;

/** Makes a queue known to DBOS, with its limits. */
export async function registerQueue(
  configuration: Configuration,
  name: string | undefined,
): Promise<void> {
  const limits = configuration.queues[name ?? DEFAULT_QUEUE];
  await outside(() =>
    DBOS.registerQueue(configuration.queue(name), {
      ...(limits?.concurrency !== undefined && { globalConcurrency: limits.concurrency }),
      ...(limits?.workerConcurrency !== undefined && {
        workerConcurrency: limits.workerConcurrency,
      }),
      minPollingIntervalMs: (limits?.pollingSeconds ?? POLLING_SECONDS) * 1000,
      onConflict: limits ? 'always_update' : 'never_update',
    }),
  );
}

/** Makes the default queue and those with limits known to DBOS. */
export async function registerQueues(configuration: Configuration): Promise<void> {
  for (const name of new Set([DEFAULT_QUEUE, ...Object.keys(configuration.queues)])) {
    await registerQueue(configuration, name);
  }
}

/** How DBOS is told of a run in a queue. */
export function enqueueOptions(
  configuration: Configuration,
  {
    runId,
    queueName,
    language,
  }: { runId: string; queueName?: string | undefined; language: Runtime },
): EnqueueWorkflowOptions {
  return {
    queueName: configuration.queue(queueName, language),
    workflowName: 'timestep.run_agent',
    workflowID: runId,
    applicationName: configuration.applicationOf(language),
    appVersion: configuration.applicationVersionOf(language),
  };
}

/** Puts a run in its queue, from the process that launched DBOS. */
export async function enqueue(options: EnqueueWorkflowOptions, run: RunArgument): Promise<void> {
  await outside(() => DBOS.enqueueWorkflowWithOptionsPortable(options, [run]));
}

/**
 * Puts a run in its queue unless one with the same `deduplicationID` is there, and returns the id of
 * the one that is there then.
 */
export async function enqueueOnce(
  systemDatabaseUrl: string,
  options: EnqueueWorkflowOptions,
  run: RunArgument,
): Promise<string> {
  return withClient(systemDatabaseUrl, async (client) => {
    const unique = { ...options, duplicationPolicy: 'return-existing' as const };
    return (await client.enqueuePortable(unique, [run])).workflowID;
  });
}

/** Asks DBOS's database for something, whether this process launched DBOS or not. */
export async function withClient<T>(
  systemDatabaseUrl: string,
  ask: (client: DBOSClient) => Promise<T>,
): Promise<T> {
  const client = await DBOSClient.create({
    systemDatabaseUrl,
    systemDatabasePoolSize: 1,
    systemDatabaseIdleTransactionTimeoutMs: 0,
    logger: dbosLogger,
  });
  try {
    return await ask(client);
  } finally {
    await client.destroy();
  }
}
