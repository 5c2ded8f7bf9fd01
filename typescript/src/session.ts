/**
 * The conversation history of a session, in PostgreSQL, shared by both languages.
 *
 * An item is stored as the Responses API takes it. Every append carries a key, so that one that is
 * sent twice (after a lost answer) is stored once. While a saved run is being resumed, appends carry
 * its claim too: if the process dies and another resumes the same version, what the dead one had
 * written is removed, and if it was only slow, it can write no more.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { AgentInputItem, Session as SessionProtocol } from '@openai/agents';
import { type Database, openDatabase } from './database/index.ts';
import { columnText, dump } from './documents.ts';
import { ConfigurationError, StateConflictError } from './errors.ts';
import { checkOptions, type Names } from './options.ts';
import {
  type CallNames,
  callNames,
  fromWireItems,
  toWireItems,
  type WireItem,
} from './runState/items.ts';

const claimToken = new AsyncLocalStorage<string>();

/** Run `work`; what it appends to sessions is marked as written under the claim. */
export function writingUnderClaim<T>(token: string, work: () => T): T {
  return claimToken.run(token, work);
}

export interface SessionOptions {
  /** The conversation to continue. Default: a new one with a random id. */
  sessionId?: string | undefined;
  /** The PostgreSQL to use, as a URI. Default: found as described for `RunStateStore`. */
  connectionString?: string | undefined;
}

const NAMES: Names<SessionOptions> = { sessionId: true, connectionString: true };

/**
 * A conversation in PostgreSQL that Python and TypeScript both read and write.
 *
 * It follows the session protocol of the Agents SDK and goes wherever that is taken.
 *
 * @throws ConfigurationError when the session id is empty.
 * @throws TypeError when there is no option of a name that was given.
 */
export class Session implements SessionProtocol {
  /**
   * Whether the id was given, rather than made here.
   *
   * @internal
   */
  readonly wasNamed: boolean;
  readonly #connectionString: string | undefined;
  #sessionId: string;
  #wasUsed = false;
  #database: Promise<Database> | undefined;

  constructor(options: SessionOptions = {}) {
    checkOptions(options, NAMES);
    const { sessionId, connectionString } = options;
    if (sessionId !== undefined && !sessionId.trim()) {
      throw new ConfigurationError(
        'The session id is empty: give a text, or leave it out for a new session.',
      );
    }
    this.wasNamed = sessionId !== undefined;
    this.#sessionId = sessionId ?? randomUUID();
    this.#connectionString = connectionString;
  }

  /** The session's id. */
  get sessionId(): string {
    return this.#sessionId;
  }

  /** The session's id. */
  async getSessionId(): Promise<string> {
    return this.sessionId;
  }

  /**
   * Continues another conversation if this is a new one that nothing has used yet.
   *
   * @internal
   */
  become(sessionId: string): boolean {
    if (this.wasNamed || this.#wasUsed) return false;
    this.#sessionId = sessionId;
    this.#wasUsed = true;
    return true;
  }

  /**
   * The conversation, oldest first.
   *
   * @param limit How many of the newest items to return. Default: all.
   */
  async getItems(limit?: number): Promise<AgentInputItem[]> {
    return await this.itemsThrough(null, limit);
  }

  /**
   * The conversation up to an item, `null` for all of it.
   *
   * @internal
   */
  async itemsThrough(itemId: number | null, limit?: number): Promise<AgentInputItem[]> {
    const database = await this.#open();
    const rows = await database.query<{ document: string }>(
      `select document from (select item_id, document from timestep.session_items
         where session_id = $1 and item_id <= coalesce($2, item_id)
         order by item_id desc limit $3) newest order by item_id`,
      [this.sessionId, itemId, limit ?? null],
      { repeatable: true },
    );
    return this.#read(rows);
  }

  /**
   * Whether it lies in the database of this URL.
   *
   * @internal
   */
  async isIn(url: string): Promise<boolean> {
    if (this.#connectionString === undefined) return true;
    return (await this.#open()).location.url === url;
  }

  /**
   * Append items to the conversation, all or none.
   *
   * @throws StateConflictError when the run that writes was taken over by another process.
   */
  async addItems(items: AgentInputItem[]): Promise<void> {
    if (items.length === 0) return;
    const wires = toWireItems(items);
    const database = await this.#open();
    const [row] = await database.query<{ written: boolean }>(
      'select timestep.append_session_items_v1($1, $2, $3, $4, $5, $6, $7) as written',
      [
        this.sessionId,
        randomUUID(),
        claimToken.getStore() ?? null,
        wires.map(dump),
        wires.map((wire) => columnText(wire.type) ?? 'message'),
        wires.map((wire) => columnText(wire.role)),
        wires.map((wire) => columnText(wire.call_id)),
      ],
      { repeatable: true },
    );
    if (!row?.written) {
      throw new StateConflictError(
        `Session ${this.sessionId}: the run that writes here was taken over by another process, ` +
          'so nothing was written. Stop this run; the other one continues it.',
      );
    }
  }

  /** Remove the newest item and return it; undefined when the session is empty. */
  async popItem(): Promise<AgentInputItem | undefined> {
    const database = await this.#open();
    const [row] = await database.query<{ document: string }>(
      'select document from timestep.pop_session_item_v1($1) as document',
      [this.sessionId],
    );
    return row && (await this.#read([row]))[0];
  }

  /** Remove every item. Saved run states of the session stay. */
  async clearSession(): Promise<void> {
    const database = await this.#open();
    await database.query(
      'delete from timestep.session_items where session_id = $1',
      [this.sessionId],
      { repeatable: true },
    );
  }

  /** Items as the SDK has them: the output of a tool names the tool, which only its call does here. */
  async #read(rows: { document: string }[]): Promise<AgentInputItem[]> {
    const items = rows.map((row) => JSON.parse(row.document) as WireItem);
    const calls = new Set(items.filter(isCall).map(({ call_id }) => call_id));
    const orphans = items.filter(isOutput).map(({ call_id }) => call_id);
    const sought = orphans.filter((id) => !calls.has(id));
    return fromWireItems(items, sought.length > 0 ? await this.#names(sought) : undefined);
  }

  async #names(callIds: unknown[]): Promise<CallNames> {
    const database = await this.#open();
    const rows = await database.query<{ document: string }>(
      `select document from timestep.session_items
         where session_id = $1 and type = 'function_call' and call_id = any($2)`,
      [this.sessionId, callIds.map(columnText)],
      { repeatable: true },
    );
    return callNames(rows.map((row) => JSON.parse(row.document) as WireItem));
  }

  #open(): Promise<Database> {
    this.#wasUsed = true;
    this.#database ??= openDatabase(this.#connectionString);
    this.#database.catch(() => {
      this.#database = undefined; // the next use tries again
    });
    return this.#database;
  }
}

function isCall({ type }: WireItem): boolean {
  return type === 'function_call';
}

function isOutput({ type }: WireItem): boolean {
  return type === 'function_call_output';
}
