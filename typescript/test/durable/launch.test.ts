/** Starting DBOS: bare, awaited, twice, after an end, and by many processes at once. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { administer, emptyDatabase, freshDatabase } from '../support/databases.ts';
import { aCompany, answerOf, says } from '../support/durable.ts';
import { type Ended, startNode } from '../support/processes.ts';

// processes that start side by side on a busy machine
vi.setConfig({ testTimeout: 120_000 });
const company = aCompany();
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(import.meta.dirname, 'script-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs a script of a user. */
async function script(text: string, variables: Record<string, string> = {}): Promise<Ended> {
  const path = join(folder, 'script.ts');
  await writeFile(path, `${PREFACE}${text}`);
  return await startNode(path, [], { ...company.it.environment, ...variables }).ended;
}

const PREFACE = `
import { Agent, setTracingDisabled } from '@openai/agents';
import * as durable from '../../../src/durable/index.ts';
import { Session } from '../../../src/session.ts';
const { cleanupDBOS, configureDBOS, ensureDBOSLaunched, runAgentWorkflow } = durable;
setTracingDisabled(true);
const agent = new Agent({ name: 'a' });
const print = (text: unknown) => process.stdout.write(text + '\\n');
`;

test('it works bare, as in a script that ends by itself', async () => {
  await company.it.script(says('hello'));
  const { stdout, stderr, code } = await script(`
configureDBOS();
void ensureDBOSLaunched();
void ensureDBOSLaunched();
const given = { agent, inputItems: 'hi', workflowId: 'unique-id' };
print((await runAgentWorkflow(given)).output);
print((await runAgentWorkflow(agent, 'hi', undefined, false, undefined, undefined, undefined, 'unique-id')).output);
await cleanupDBOS();
`);
  expect({ stdout, stderr, code }).toEqual({ stdout: 'hello\nhello\n', stderr: '', code: 0 });
});

test('it works awaited, twice, and anew after its end', async () => {
  await company.it.script(says('hello'));
  const { stdout, stderr, code } = await script(`
await configureDBOS({ name: 'shop', executorId: 'one' });
configureDBOS({ name: 'shop' });
await ensureDBOSLaunched();
await ensureDBOSLaunched();
print((await runAgentWorkflow({ agent, inputItems: 'hi', workflowId: 'u' })).output);
try {
  configureDBOS({ name: 'other' });
} catch (error) {
  print((error as Error).name);
}
await cleanupDBOS();
await cleanupDBOS();
configureDBOS({ name: 'shop2' });
const launched = [ensureDBOSLaunched(), ensureDBOSLaunched()];
print((await runAgentWorkflow({ agent, inputItems: 'hi', workflowId: 'u' })).output);
await Promise.all(launched);
const ending = cleanupDBOS();
void ensureDBOSLaunched(); // waits for the end
await ending;
await cleanupDBOS();
`);
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual(['hello', 'ConfigurationError', 'hello', '']);
  expect(code).toBe(0);
  const sql =
    'select application, executor_id, stopped_at is null as alive from timestep.executors';
  expect(await company.it.rows(`${sql} order by started_at limit 2`)).toEqual([
    { application: 'shop-ts', executor_id: 'one', alive: false },
    {
      application: 'shop2-ts',
      executor_id: expect.stringMatching(/-\d+-[\da-f]{8}$/),
      alive: false,
    },
  ]);
});

test('a launch that fails may be tried again', async () => {
  const { stdout, code } = await script(
    `
try {
  await ensureDBOSLaunched();
} catch (error) {
  print((error as Error).name);
}
process.env.PG_CONNECTION_URI = process.env.RIGHT;
await ensureDBOSLaunched();
print('launched');
await cleanupDBOS();
`,
    { PG_CONNECTION_URI: 'postgresql://u:p@127.0.0.1:1/d', RIGHT: company.it.url },
  );
  expect({ stdout, code }).toEqual({ stdout: 'DatabaseUnavailableError\nlaunched\n', code: 0 });
});

test('a DBOS of somebody else is left alone', async () => {
  const { stdout, code } = await script(`
import { DBOS } from '@dbos-inc/dbos-sdk';
DBOS.setConfig({
  name: 'own-app',
  systemDatabaseUrl: process.env.PG_CONNECTION_URI!,
  systemDatabaseIdleTransactionTimeoutMs: 0,
  logLevel: 'error',
});
await DBOS.launch();
try {
  await ensureDBOSLaunched();
} catch (error) {
  print((error as Error).name + ': ' + (error as Error).message);
}
print(DBOS.isInitialized());
await DBOS.shutdown();
`);
  expect(stdout).toMatch(/ConfigurationError: DBOS was launched in this process by somebody else/);
  expect(stdout).toMatch(/true\n$/);
  expect(code).toBe(0);
});

test("sessions lie in DBOS's database where no other is named", async () => {
  await using other = await freshDatabase();
  await company.it.script(says('hello'));
  const { stdout, code, stderr } = await script(
    `
configureDBOS({ systemDatabaseUrl: process.env.OTHER! });
const session = new Session({ sessionId: 's' });
print((await runAgentWorkflow(agent, 'hi', session)).output);
await cleanupDBOS();
`,
    { PG_CONNECTION_URI: '', OTHER: other.url },
  );
  expect({ stdout, code }, stderr).toEqual({ stdout: 'hello\n', code: 0 });
  const count = 'select count(*)::int as n from timestep.session_items';
  expect(await administer(other.url, count)).toEqual([{ n: 2 }]);
  expect(await company.it.rows(count)).toEqual([{ n: 0 }]);
});

test('many processes launch at once on an empty database', async () => {
  await using empty = await emptyDatabase();
  await company.it.script();
  const variables = { PG_CONNECTION_URI: empty.url };
  const workers = Array.from({ length: 4 }, () => company.it.worker('refused', {}, { variables }));
  for (const { ended } of workers) expect(answerOf(await ended)).not.toHaveProperty('error');
  const sql = 'select count(distinct instance)::int as n from timestep.executors';
  expect(await administer(empty.url, sql)).toEqual([{ n: 4 }]);
});
