/** One PostgreSQL for all test files: the one that the caller names, or an embedded one of our own. */

import { randomBytes } from 'node:crypto';
import { migrateSystemDatabase } from '@dbos-inc/dbos-sdk/internal/system_database';
import { GlobalLogger } from '@dbos-inc/dbos-sdk/internal/telemetry/logs';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../../src/database/index.ts';
import { administer, databaseUrl } from './databases.ts';
import { ownServer } from './embedded.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A server on which the tests may create databases. */
    serverUrl: string;
    /** A database with both schemas, to copy; databases of this run have its name as their prefix. */
    template: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TIMESTEP_TEST_PG_URI;
  const server = given ? { url: given, [Symbol.asyncDispose]: async () => {} } : await ownServer();
  const template = `timestep_test_${randomBytes(4).toString('hex')}`;
  await administer(server.url, `create database ${template}`);
  const url = databaseUrl(server.url, template);
  const database = await openDatabase(url);
  await database.close();
  await migrateSystemDatabase(url, new GlobalLogger(undefined, { logLevel: 'error' }));
  project.provide('serverUrl', server.url);
  project.provide('template', template);
  return async () => {
    await dropDatabases(server.url, template);
    await server[Symbol.asyncDispose]();
  };
}

async function dropDatabases(serverUrl: string, prefix: string): Promise<void> {
  const sql = `select datname from pg_database where datname like '${prefix}%'`;
  for (const { datname } of await administer<{ datname: string }>(serverUrl, sql)) {
    await administer(serverUrl, `drop database ${datname} with (force)`);
  }
}
