/** Databases for tests: each is a copy of one that has the schema, made in about 0.1 seconds. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
}

/** A database with the schema and nothing in it; dropped when it is disposed. */
export async function freshDatabase(): Promise<TestDatabase> {
  return create(`template ${inject('template')}`);
}

/** A copy of a database that nobody uses right now; dropped when it is disposed. */
export async function copyOf({ name }: TestDatabase): Promise<TestDatabase> {
  return create(`template ${name}`);
}

/** A database without even the schema. */
export async function emptyDatabase(): Promise<TestDatabase> {
  return create('template template1');
}

/** Runs one statement as the server's administrator. */
export async function administer<Row extends object = object>(
  url: string,
  sql: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The address of another database on the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function create(options: string): Promise<TestDatabase> {
  const name = `${inject('template')}_${randomBytes(4).toString('hex')}`;
  const server = inject('serverUrl');
  await administer(server, `create database ${name} ${options}`);
  return {
    name,
    url: databaseUrl(server, name),
    [Symbol.asyncDispose]: async () => {
      await administer(server, `drop database if exists ${name} with (force)`);
    },
  };
}
