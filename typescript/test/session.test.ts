/** Session: one conversation in PostgreSQL. */

import type { AgentInputItem } from '@openai/agents';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConfigurationError, DatabaseUnavailableError, Session } from '../src/index.ts';
import { administer, freshDatabase, type TestDatabase } from './support/databases.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
  vi.stubEnv('PG_CONNECTION_URI', database.url);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await database[Symbol.asyncDispose]();
});

function message(text: string): AgentInputItem {
  return { type: 'message', role: 'user', content: text };
}

function texts(items: AgentInputItem[]): unknown[] {
  return items.map((item) => 'content' in item && item.content);
}

test('a session has an id of its own or the given one', async () => {
  expect(await new Session({ sessionId: 's-1' }).getSessionId()).toBe('s-1');
  expect(new Session().sessionId).not.toBe(new Session().sessionId);
});

test.each(['', '  '])('an empty session id is refused: %j', (sessionId) => {
  expect(() => new Session({ sessionId })).toThrow(ConfigurationError);
});

test('items come back in order and another object sees them', async () => {
  await new Session({ sessionId: 's-1' }).addItems([message('a'), message('b')]);
  await new Session({ sessionId: 's-1' }).addItems([message('c')]);
  await new Session({ sessionId: 's-2' }).addItems([message('z')]);
  expect(texts(await new Session({ sessionId: 's-1' }).getItems())).toEqual(['a', 'b', 'c']);
});

test('a limit gives the newest in order', async () => {
  const session = new Session();
  await session.addItems([message('a'), message('b'), message('c')]);
  expect(texts(await session.getItems(2))).toEqual(['b', 'c']);
  expect(await session.getItems(0)).toEqual([]);
});

test('the output of a tool is read with the name of its tool, even without its call', async () => {
  const session = new Session();
  await session.addItems([
    { type: 'function_call', callId: 'c1', name: 'f', arguments: '{}', status: 'completed' },
    { type: 'function_call_result', callId: 'c1', name: 'f', status: 'completed', output: 'x' },
  ]);
  expect(await session.getItems(1)).toMatchObject([{ type: 'function_call_result', name: 'f' }]);
  expect(await session.popItem()).toMatchObject({ type: 'function_call_result', name: 'f' });
});

test('the newest item is popped', async () => {
  const session = new Session();
  expect(await session.popItem()).toBeUndefined();
  await session.addItems([message('a'), message('b')]);
  expect(await session.popItem()).toMatchObject({ content: 'b' });
  expect(texts(await session.getItems())).toEqual(['a']);
});

test('a cleared session is empty and may be used again', async () => {
  const session = new Session();
  await session.clearSession();
  await session.addItems([message('a')]);
  await session.clearSession();
  expect(await session.getItems()).toEqual([]);
  await session.addItems([message('b')]);
  expect(texts(await session.getItems())).toEqual(['b']);
});

test('any text survives', async () => {
  const session = new Session();
  const contents = ['NUL \0', 'half \ud800', '\u2028 \u{1f600} é', '', '\\u0000'];
  await session.addItems(contents.map(message));
  expect(texts(await session.getItems())).toEqual(contents);
});

test('what JSON cannot say is refused by its path and nothing is written', async () => {
  const session = new Session();
  const item = { type: 'unknown', providerData: { type: 'odd', score: [Number.NaN] } };
  await expect(session.addItems([message('a'), item as AgentInputItem])).rejects.toThrow(
    /\$\.score\[0\] is NaN/,
  );
  expect(await session.getItems()).toEqual([]);
});

test('a lost connection is replaced and nothing is written twice', async () => {
  const session = new Session();
  await session.addItems([message('a')]);
  await administer(
    database.url,
    `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
  );
  await session.addItems([message('b')]);
  expect(texts(await session.getItems())).toEqual(['a', 'b']);
});

test('a wrong address is an error and never another database', async () => {
  const session = new Session({ connectionString: 'postgresql://nobody:secret@127.0.0.1:1/none' });
  const error = await session.getItems().catch((caught) => caught);
  expect(error).toBeInstanceOf(DatabaseUnavailableError);
  expect(String(error)).not.toContain('secret');
});
