/** Saved run states: versions of a paused run, in PostgreSQL, that either language resumes. */

import { createHash, randomUUID } from 'node:crypto';
import { type Agent, RunState } from '@openai/agents';
import { type Database, openDatabase } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { ConfigurationError, NotPortableError, RunStateNotFoundError } from '../errors.ts';
import { warn } from '../logger.ts';
import { type PendingApproval, pendingApprovals } from './approvals.ts';
import { Claim, conflict } from './claim.ts';
import { fromEnvelope } from './fromEnvelope.ts';
import * as native from './native.ts';
import { toEnvelope } from './toEnvelope.ts';

type AnyAgent = Agent<any, any>;
type AnyRunState = RunState<any, any>;

/** Which saved version a state in memory is, and who saved or loaded it. */
export interface SavedVersion {
  readonly store: RunStateStore;
  readonly sessionId: string;
  readonly version: number;
  readonly claim?: Claim | undefined;
}

const savedVersions = new WeakMap<AnyRunState, SavedVersion>();

/** The saved version that a state in memory is; undefined when it was never saved or loaded. */
export function savedVersion(state: AnyRunState): SavedVersion | undefined {
  return savedVersions.get(state);
}

export interface RunStateStoreOptions {
  /** The agent that the run started with; a saved run finds its agents and tools by name from here. */
  agent: AnyAgent;
  /** The session whose run is kept. Default: a new random id, see `sessionId`. */
  sessionId?: string | undefined;
  /** The PostgreSQL to use, as a URI. Default: see {@link RunStateStore}. */
  connectionString?: string | undefined;
}

/**
 * Keeps the paused run of a session in PostgreSQL, for either language to resume.
 *
 * Loading only reads. Resuming (`runAgent` with a loaded state) claims the version first, so that of
 * any number of processes one resumes it and the others get `StateConflictError`.
 *
 * Which PostgreSQL: `connectionString`, else `PG_CONNECTION_URI`, else the connection that DBOS was
 * configured with, else libpq's `PGHOST` or `PGSERVICE`, else a server on `localhost:5432`, else a
 * server of Timestep's own.
 *
 * @throws ConfigurationError when the session id is empty.
 */
export class RunStateStore {
  readonly agent: AnyAgent;
  readonly sessionId: string;
  readonly #connectionString: string | undefined;

  constructor({ agent, sessionId, connectionString }: RunStateStoreOptions) {
    if (sessionId !== undefined && !sessionId.trim()) {
      throw new ConfigurationError(
        'The session id is empty: give a text, or leave it out for a new session.',
      );
    }
    this.agent = agent;
    this.sessionId = sessionId ?? randomUUID();
    this.#connectionString = connectionString;
  }

  /**
   * Save the state as the session's newest version and return the version (1, 2, …).
   *
   * The same state saved twice is one version. A state that the other language cannot continue is
   * saved for this one, with a warning that says why.
   *
   * @throws StateConflictError when another process resumed or saved this run since the state was
   *   loaded; nothing was saved.
   * @throws ConfigurationError when the argument is no `RunState`.
   */
  async save(state: AnyRunState): Promise<number> {
    if (!(state instanceof RunState)) {
      throw new ConfigurationError('save() takes a RunState: pass result.state.');
    }
    const known = savedVersions.get(state);
    const bound = known?.sessionId === this.sessionId ? known : undefined;
    const claim = bound?.claim?.held ? bound.claim : undefined;
    const expected = claim?.version ?? bound?.version;
    const version = await this.#insert(state, { expected, claim, keep: claim !== undefined });
    if (claim) claim.version = version;
    this.#bind(state, version, claim);
    return version;
  }

  /**
   * The saved state, ready to be decided on and passed to `runAgent`.
   *
   * This only reads: it may be done any number of times, by any process.
   *
   * @param options.version Which version. Default: the newest, which must not have ended.
   * @param options.context The context object to resume with. Default: the saved one.
   * @throws RunStateNotFoundError when nothing is saved for the session, or its run has ended.
   * @throws AgentMismatchError when an agent or tool that the run needs is missing or changed.
   * @throws NotPortableError when Python wrote it and TypeScript cannot continue it.
   */
  async load({ version, context }: { version?: number; context?: unknown } = {}): Promise<AnyRunState> {
    const database = await this.#database();
    const [row] = await database.query<StateRow>(
      `select version, status, writer_language, native_schema_version, not_portable_reason,
          case when writer_language = 'typescript' then native end as native,
          case when writer_language <> 'typescript' then envelope end as envelope
        from timestep.run_states where session_id = $1 and version = coalesce($2,
          (select max(version) from timestep.run_states where session_id = $1))`,
      [this.sessionId, version ?? null],
      { repeatable: true },
    );
    if (!row || (row.status === 'done' && version === undefined)) {
      throw this.#notFound(database, version, row !== undefined);
    }
    const state = await this.#read(database, row, context);
    this.#bind(state, row.version);
    return state;
  }

  /** Remove every saved version of the session, its approvals with them. */
  async clear(): Promise<void> {
    const database = await this.#database();
    await database.query('delete from timestep.run_states where session_id = $1', [this.sessionId], {
      repeatable: true,
    });
  }

  /** Let go of the database. The store may be used again and opens it anew. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
