/** A session as the Python SDK's SQLAlchemySession keeps one: the same tables and statements. */

import { randomUUID } from 'node:crypto';
import type { AgentInputItem, Session } from '@openai/agents';
import type pg from 'pg';

const TABLES = `
  create table if not exists plain_sessions (
    session_id text primary key, updated_at timestamptz not null default now());
  create table if not exists plain_messages (
    id bigserial primary key, session_id text not null references plain_sessions,
    message_data text not null, created_at timestamptz not null default now());
  create index if not exists plain_messages_by_session on plain_messages (session_id, created_at)`;

export class PlainSession implements Session {
  readonly #database: pg.Pool;
  readonly #id = randomUUID();

  static async create(database: pg.Pool): Promise<PlainSession> {
    await database.query(TABLES);
    return new PlainSession(database);
  }

  private constructor(database: pg.Pool) {
    this.#database = database;
  }

  async getSessionId(): Promise<string> {
    return this.#id;
  }

  async getItems(): Promise<AgentInputItem[]> {
    const { rows } = await this.#database.query(
      'select message_data from plain_messages where session_id = $1 order by created_at, id',
      [this.#id],
    );
    return rows.map((row) => JSON.parse(row.message_data));
  }

  async addItems(items: AgentInputItem[]): Promise<void> {
    const client = await this.#database.connect();
    await client.query('begin');
    await client.query('insert into plain_sessions values ($1) on conflict do nothing', [this.#id]);
    await client.query('select from plain_sessions where session_id = $1 for update', [this.#id]);
    await client.query(
      'insert into plain_messages (session_id, message_data) select $1, unnest($2::text[])',
      [this.#id, items.map((item) => JSON.stringify(item))],
    );
    await client.query('update plain_sessions set updated_at = now() where session_id = $1', [
      this.#id,
    ]);
    await client.query('commit');
    client.release();
  }

  async popItem(): Promise<AgentInputItem | undefined> {
    throw new Error('The benchmarks do not take items away.');
  }

  async clearSession(): Promise<void> {
    await this.#database.query('delete from plain_messages where session_id = $1', [this.#id]);
  }
}
