/** The PostgreSQL that DBOS uses in this process, learnt without loading DBOS. */

import { createRequire } from 'node:module';

const EXECUTOR = /[\\/]@dbos-inc[\\/]dbos-sdk[\\/].*[\\/]dbos-executor\.(c?js)$/;

let configured: string | undefined;

/** Notes the URL that DBOS was configured with; undefined forgets it. */
export function setDBOSConnection(url: string | undefined): void {
  configured = url;
}

/** The URL that DBOS was configured with through us, or launched with by the application. */
export function dbosConnection(): string | undefined {
  return configured ?? launchedConnection();
}

/** DBOS keeps its configuration to itself until launch; then its executor, if loaded, has it. */
function launchedConnection(): string | undefined {
  const { cache } = createRequire(import.meta.url);
  const path = Object.keys(cache).find((loaded) => EXECUTOR.test(loaded));
  const executor: LoadedExecutor | undefined = path ? cache[path]?.exports : undefined;
  const url = executor?.DBOSExecutor?.globalInstance?.config?.systemDatabaseUrl;
  return typeof url === 'string' ? url : undefined;
}

interface LoadedExecutor {
  DBOSExecutor?: { globalInstance?: { config?: { systemDatabaseUrl?: unknown } } };
}
