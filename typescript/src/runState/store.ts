/** Saved run states: versions of a paused run, in PostgreSQL, that either language resumes. */

import { createHash, randomUUID } from 'node:crypto';
import { RunContext, RunState } from '@openai/agents';
import { type Database, openDatabase } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { ConfigurationError, NotPortableError, RunStateNotFoundError } from '../errors.ts';
import { warn } from '../logger.ts';
import { checkOptions, type Names } from '../options.ts';
import { type PendingApproval, pendingApprovals, refuseSharedApprovals } from './approvals.ts';
import { withoutChatMessages } from './chatMessages.ts';
import { Claim, conflict } from './claim.ts';
import { fromEnvelope } from './fromEnvelope.ts';
import type { AnyAgent, AnyRunState, ContextSerializer } from './native.ts';
import * as native from './native.ts';
import { checkNativeAgents } from './nativeAgents.ts';
import { decode, type Envelope, encode } from './record.ts';
import { statusOf, toEnvelope, turnOf } from './toEnvelope.ts';

/** Makes the context object out of the saved one. */
export type ContextDeserializer = (context: Record<string, unknown>) => unknown;

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

/** Makes a state one that was never saved or loaded: what it is saved as follows what is there. */
export function forgetSaved(state: AnyRunState): void {
  savedVersions.delete(state);
}

export interface RunStateStoreOptions {
  /** The agent that the run started with; a saved run finds its agents and tools by name from here. */
  agent: AnyAgent;
  /** The session whose run is kept. Default: a new random id, see `sessionId`. */
  sessionId?: string | undefined;
  /** The PostgreSQL to use, as a URI. Default: see {@link RunStateStore}. */
  connectionString?: string | undefined;
  /** Turns a run's context into a plain object, for contexts that are none. */
  contextSerializer?: ContextSerializer | undefined;
  /** The way back. */
  contextDeserializer?: ContextDeserializer | undefined;
}

const NAMES: Names<RunStateStoreOptions> = {
  agent: true,
  sessionId: true,
  connectionString: true,
  contextSerializer: true,
  contextDeserializer: true,
};

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
 * @throws TypeError when there is no option of a name that was given.
 */
export class RunStateStore {
  readonly agent: AnyAgent;
  readonly sessionId: string;
  readonly #connectionString: string | undefined;
  readonly #contextSerializer: ContextSerializer | undefined;
  readonly #contextDeserializer: ContextDeserializer | undefined;
  #database: Promise<Database> | undefined;

  constructor(options: RunStateStoreOptions) {
    checkOptions(options, NAMES);
    const { agent, sessionId, connectionString, contextSerializer, contextDeserializer } = options;
    if (sessionId !== undefined && !sessionId.trim()) {
      throw new ConfigurationError(
        'The session id is empty: give a text, or leave it out for a new session.',
      );
    }
    this.agent = agent;
    this.sessionId = sessionId ?? randomUUID();
    this.#connectionString = connectionString;
    this.#contextSerializer = contextSerializer;
    this.#contextDeserializer = contextDeserializer;
  }

  /**
   * Save the state as the session's newest version and return the version (1, 2, …).
   *
   * The same state saved twice is one version. A state that the other language cannot continue is
   * saved for this one, with a warning that says why: so is one whose context is no plain object, and
   * without it, unless there is a `contextSerializer`.
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
    const saved = known?.sessionId === this.sessionId ? known : this.#unsaved();
    const version = await this.#insert(state, saved, { keep: true });
    this.#bind(state, { ...saved, store: this, version });
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
   * @throws ConfigurationError when the saved context had to be left out and none is given.
   */
  async load({
    version,
    context,
  }: {
    version?: number;
    context?: unknown;
  } = {}): Promise<AnyRunState> {
    const database = await this.#open();
    const row = await this.#row(database, version);
    if (!row || (row.status === 'done' && version === undefined)) {
      throw this.#notFound(database, version, row !== undefined);
    }
    const state = row.isNative
      ? await this.#fromNative(String(row.document), context)
      : await fromEnvelope(this.#envelopeOf(row), this.agent, {
          context,
          contextDeserializer: this.#contextDeserializer,
        });
    this.#bind(state, { store: this, sessionId: this.sessionId, version: row.version });
    return state;
  }

  /** Remove every saved version of the session, its approvals with them. */
  async clear(): Promise<void> {
    const database = await this.#open();
    await database.query(
      'delete from timestep.run_states where session_id = $1',
      [this.sessionId],
      {
        repeatable: true,
      },
    );
  }

  /** Let go of the database. The store may be used again and opens it anew. */
  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await (await database)?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Claim the version that the state is and note the decisions taken on it.
   *
   * @throws StateConflictError when it cannot be resumed (any more).
   * @throws UserError when an approval would reach another call.
   * @internal
   */
  async claim(saved: SavedVersion, state: AnyRunState): Promise<SavedVersion> {
    const document = this.#document(state);
    refuseSharedApprovals(document);
    const database = await this.#open();
    const claim = await Claim.take(database, saved.sessionId, saved.version);
    const decided = pendingApprovals(state, document)
      .map((approval, index) => ({ ...approval, position: index + 1 }))
      .filter(({ decision }) => decision !== null);
    await database.query(
      'select timestep.record_decisions_v1($1, $2, $3, $4, $5)',
      [
        saved.sessionId,
        saved.version,
        decided.map(({ position }) => position),
        decided.map(({ decision }) => decision),
        decided.map(({ message }) => columnText(message)),
      ],
      { repeatable: true },
    );
    return this.#bind(state, { ...saved, claim });
  }

  /**
   * Let go of the claim when the run has stopped; save the state unless it has ended. A run whose
   * output was refused by a guardrail has ended too.
   *
   * @internal
   */
  async settle(state: AnyRunState, saved: SavedVersion): Promise<void> {
    const document = this.#document(state);
    if (statusOf(document) === 'terminal') return saved.claim?.end();
    await this.#insert(state, saved, { keep: false, document });
    if (saved.claim) saved.claim.held = false;
  }

  async #insert(
    state: AnyRunState,
    saved: SavedVersion,
    { keep, document = this.#document(state) }: { keep: boolean; document?: native.NativeState },
  ): Promise<number> {
    const { envelope, reason } = this.#portable(state, document);
    const text = dump(document);
    const { expected, token } = expectedBy(saved);
    const usage = state.usage;
    const database = await this.#open();
    const [row] = await database.query<{ version: number | null; conflict: string | null }>(
      SAVE,
      [
        this.sessionId,
        expected,
        token,
        keep && token !== null,
        statusOf(document),
        columnText(document.currentAgent.name),
        turnOf(document),
        usage.requests,
        usage.inputTokens,
        usage.outputTokens,
        usage.totalTokens,
        envelope,
        reason,
        text,
        'typescript',
        native.sdkVersion,
        document.$schemaVersion,
        sha256(envelope ?? text), // the SDK gives the same state its fields in another order
        ...columns(pendingApprovals(state, document)),
      ],
      { repeatable: true },
    );
    if (!row?.version) {
      throw conflict(this.sessionId, expected ?? undefined, row?.conflict ?? 'moved', 'save');
    }
    if (token !== null && saved.claim) saved.claim.version = row.version;
    return row.version;
  }

  #document(state: AnyRunState): native.NativeState {
    return withoutChatMessages(native.nativeDocument(state, this.#contextSerializer));
  }

  /** The document for both languages, or else the reason why there is none. */
  #portable(
    state: AnyRunState,
    document: native.NativeState,
  ): { envelope: string | null; reason: string | null } {
    try {
      const envelope = toEnvelope(state, { native: document, agent: this.agent });
      return { envelope: encode(envelope), reason: null };
    } catch (error) {
      if (!(error instanceof NotPortableError)) throw error;
      warn(
        `session ${this.sessionId}: saved for TypeScript only, ` +
          `the other language cannot resume it: ${error.message}`,
        'TIMESTEP_NOT_PORTABLE',
      );
      return { envelope: null, reason: columnText(error.message) };
    }
  }

  /** The version's row, its document the native one where this SDK wrote and reads it. */
  async #row(database: Database, version: number | undefined): Promise<StateRow | undefined> {
    const [row] = await database.query<Omit<StateRow, 'isNative'>>(
      `select version, status, writer_language, not_portable_reason, native_schema_version,
          case when writer_language = 'typescript' then native else envelope end as document
        from timestep.run_states where session_id = $1 and version = coalesce($2, version)
        order by version desc limit 1`,
      [this.sessionId, version ?? null],
      { repeatable: true },
    );
    if (!row) return undefined;
    const isMine = row.writer_language === 'typescript';
    if (!isMine || native.isReadable(row.native_schema_version))
      return { ...row, isNative: isMine };
    const [newer] = await database.query<{ envelope: string | null }>(
      'select envelope from timestep.run_states where session_id = $1 and version = $2',
      [this.sessionId, row.version],
      { repeatable: true },
    );
    return { ...row, isNative: false, document: newer?.envelope ?? null };
  }

  async #fromNative(written: string, context: unknown): Promise<AnyRunState> {
    const found = JSON.parse(written) as native.NativeState;
    const document = native.withoutEndedRuns(found);
    const text = document === found ? written : JSON.stringify(document);
    const leftOut = document.timestepContextLeftOut;
    if (leftOut !== undefined && context === undefined) throw this.#contextMissing(leftOut);
    await checkNativeAgents(document, this.agent, context);
    const deserialized = context ?? this.#contextDeserializer?.(document.context.context);
    if (deserialized === undefined) return RunState.fromString(this.agent, text);
    return RunState.fromStringWithContext(this.agent, text, new RunContext(deserialized), {
      contextStrategy: 'merge',
    });
  }

  #envelopeOf(row: StateRow): Envelope {
    if (row.document === null) {
      throw new NotPortableError(
        `Version ${row.version} of the run of session ${this.sessionId} was saved by ` +
          `${row.writer_language} and cannot be resumed here: ${row.not_portable_reason}`,
      );
    }
    return decode(row.document);
  }

  #contextMissing(what: string): ConfigurationError {
    return new ConfigurationError(
      `The context of the run of session ${this.sessionId} was ${what}, which could not be saved: ` +
        'give it again with load({ context }), or save with a contextSerializer.',
    );
  }

  #unsaved(): SavedVersion {
    return { store: this, sessionId: this.sessionId, version: 0 };
  }

  #bind(state: AnyRunState, saved: SavedVersion): SavedVersion {
    savedVersions.set(state, saved);
    return saved;
  }

  #open(): Promise<Database> {
    this.#database ??= openDatabase(this.#connectionString);
    this.#database.catch(() => {
      this.#database = undefined; // the next use tries again
    });
    return this.#database;
  }

  #notFound(database: Database, version: number | undefined, ended: boolean): Error {
    const what = version === undefined ? 'run' : `version ${version} of the run`;
    const found = ended ? 'its last run has ended' : 'nothing is saved under this id';
    return new RunStateNotFoundError(
      `No saved ${what} waits for session ${this.sessionId}: ${found} in ` +
        `${database.location.display}. Check the session id and the database.`,
    );
  }
}

const SAVE = `select * from timestep.save_run_state_v1(${Array.from({ length: 26 }, (_, i) => `$${i + 1}`).join(', ')})`;

interface StateRow {
  version: number;
  status: string;
  writer_language: string;
  not_portable_reason: string | null;
  native_schema_version: string;
  document: string | null;
  /** Whether the document is the SDK's own; else it is the one for both languages, if there is one. */
  isNative: boolean;
}

/** The version that a save continues (null: a new run), and the claim's token. */
function expectedBy({ version, claim }: SavedVersion): {
  expected: number | null;
  token: string | null;
} {
  if (!claim || claim.isLost) return { expected: version || null, token: null };
  return { expected: claim.version, token: claim.held ? claim.token : null };
}

/** The approvals as the parallel arrays that the SQL function takes. */
function columns(approvals: PendingApproval[]): (string | null)[][] {
  return [
    approvals.map(({ kind }) => kind),
    approvals.map(({ agent }) => columnText(agent)),
    approvals.map(({ tool }) => columnText(tool)),
    approvals.map(({ callId }) => columnText(callId)),
    approvals.map((approval) => columnText(approval.arguments)),
    approvals.map((approval) => sha256(approval.arguments)),
    approvals.map(({ decision }) => decision),
    approvals.map(({ message }) => columnText(message)),
  ];
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
