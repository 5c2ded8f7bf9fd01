/**
 * Sessions that a durable run reads once and adds to once, however often it is executed.
 *
 * What a run adds to its session is numbered from 0, the input included. An addition that is made
 * again, after a crash or by the other language, meets its own numbers and adds nothing.
 */

import type { AgentInputItem, Session as SessionProtocol } from '@openai/agents';
import { columnText, dump } from '../documents.ts';
import { fromWireItems, toWireItems, type WireItem } from '../runState/items.ts';
import { Session } from '../session.ts';
import type { Body, Journal } from './journal.ts';
import type { Loop } from './loop.ts';
import { calling } from './sql.ts';

const APPEND = calling('append_run_items_v1', 9);

/** The session as an agent loop of a durable run uses it. */
export async function recordedSession(
  session: SessionProtocol,
  loop: Loop,
): Promise<RecordedSession> {
  if (session instanceof RecordedSession) return session;
  const isOwn =
    session instanceof Session && (await session.isIn(loop.journal.database.location.url));
  return isOwn ? new OwnSession(session, loop) : new ForeignSession(session, loop);
}

/** A session of the SDK's protocol, in a durable run. */
export abstract class RecordedSession<Inner extends SessionProtocol = SessionProtocol>
  implements SessionProtocol
{
  protected readonly session: Inner;
  protected readonly loop: Loop;
  #historyWasRead: boolean;

  constructor(session: Inner, loop: Loop) {
    this.session = session;
    this.loop = loop;
    this.#historyWasRead = loop.ordinal > 0;
  }

  async getSessionId(): Promise<string> {
    return await this.session.getSessionId();
  }

  /** The conversation; at first what it was when the run began. */
  async getItems(limit?: number): Promise<AgentInputItem[]> {
    if (this.#historyWasRead) return await this.session.getItems(limit);
    this.#historyWasRead = true;
    return await this.history(limit);
  }

  /** Adds items, unless this run has added them before. */
  async addItems(items: AgentInputItem[]): Promise<void> {
    if (items.length === 0) return;
    await this.#mustBeOurs();
    await this.add(items);
    this.loop.added += items.length;
  }

  async popItem(): Promise<AgentInputItem | undefined> {
    await this.#mustBeOurs();
    this.loop.added = Math.max(0, this.loop.added - 1);
    return await this.session.popItem();
  }

  async clearSession(): Promise<void> {
    await this.#mustBeOurs();
    await this.session.clearSession();
  }

  /** Throws if another process may have the run; what was done before is written then. */
  async #mustBeOurs(): Promise<void> {
    if (this.journal.lost) throw this.journal.ownershipLost();
    await this.journal.settled();
  }

  protected get journal(): Journal {
    return this.loop.journal;
  }

  protected abstract history(limit: number | undefined): Promise<AgentInputItem[]>;
  protected abstract add(items: AgentInputItem[]): Promise<void>;

  /** What is recorded under a key, or else is found now. */
  protected async recorded(key: string, find: () => Promise<Body>): Promise<Body> {
    const before = this.journal.rows.get(key)?.body;
    if (before) return before;
    const body = await find();
    await this.journal.record({
      key,
      kind: 'session',
      agent: this.loop.agent,
      name: 'session',
      body,
    });
    return body;
  }
}

/** A session of Timestep in the run's own database. */
export class OwnSession extends RecordedSession<Session> {
  protected async history(limit: number | undefined): Promise<AgentInputItem[]> {
    const { through } = await this.recorded(`s:${this.loop.path}:history`, async () => ({
      through: await this.#newest(),
    }));
    return await this.session.itemsThrough(through as number, limit);
  }

  async #newest(): Promise<unknown> {
    const [row] = await this.journal.database.query<{ newest: unknown }>(
      `select coalesce(max(item_id), 0) as newest from timestep.session_items
        where session_id = $1`,
      [this.session.sessionId],
      { repeatable: true },
    );
    return row?.newest;
  }

  protected async add(items: AgentInputItem[]): Promise<void> {
    await appendItems(this.loop, this.session.sessionId, toWireItems(items));
  }
}

/** Adds wire items of a run to its session, from the number on that its loop has come to. */
export async function appendItems(
  { journal, path, added }: Loop,
  sessionId: string,
  wires: readonly WireItem[],
): Promise<void> {
  const [row] = await journal.write<{ append_run_items_v1: boolean }>(
    APPEND,
    [
      journal.runId,
      journal.epoch,
      sessionId,
      path,
      added,
      wires.map(dump),
      wires.map((wire) => columnText(wire.type) ?? 'message'),
      wires.map((wire) => columnText(wire.role)),
      wires.map((wire) => columnText(wire.call_id)),
    ],
    { repeatable: true },
  );
  if (!row?.append_run_items_v1) throw journal.ownershipLost();
}

/** A session of another kind: read once, and additions noted when they were made. */
class ForeignSession extends RecordedSession {
  protected async history(limit: number | undefined): Promise<AgentInputItem[]> {
    const { items } = await this.recorded(`s:${this.loop.path}:history`, async () => ({
      items: toWireItems(await this.session.getItems(limit)),
    }));
    return fromWireItems(items as WireItem[]);
  }

  protected async add(items: AgentInputItem[]): Promise<void> {
    await this.recorded(`s:${this.loop.path}:${this.loop.added}`, async () => {
      await this.session.addItems(items);
      return {};
    });
  }
}
