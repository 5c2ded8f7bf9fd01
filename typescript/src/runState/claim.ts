/**
 * The right to resume one saved version of a run, and how it is kept, passed on and lost.
 *
 * States of a version: saved -> claimed -> done (SQL: timestep.claim_run_state_v1).
 *
 * - Who decides: PostgreSQL. Of any number of processes that claim a version, one gets it.
 * - What time means: a claim is a lease of 30 seconds, renewed every 10. The database's clock counts.
 * - When the holder dies, the lease runs out and another process may claim the same version. What
 *   the dead one had written to sessions is removed then; calls of tools that it had made since the
 *   claim may be made again.
 * - When the holder was only slow and was taken over, its next save or append fails and its run is
 *   stopped with StateConflictError.
 */

import { randomUUID } from 'node:crypto';
import type { Database } from '../database/index.ts';
import { StateConflictError } from '../errors.ts';
import { warn } from '../logger.ts';

const LEASE_SECONDS = 30;
const RENEW_MS = 10_000;

const WHY: Record<string, string> = {
  missing: 'it is no longer there',
  moved: 'a newer version was saved since',
  claimed: 'another process is resuming it right now',
  done: 'it was resumed already and has ended',
};

/** A claim that this process holds on the newest version of a session's run. */
export class Claim {
  readonly sessionId: string;
  readonly token: string;
  version: number;
  /** Whether this process may still save under the claim. */
  held = true;
  /** Whether the claim went to another process, or could not be renewed in time. */
  isLost = false;
  readonly #database: Database;

  private constructor(database: Database, sessionId: string, version: number, token: string) {
    this.#database = database;
    this.sessionId = sessionId;
    this.version = version;
    this.token = token;
  }

  /**
   * The claim on a saved version.
   *
   * @throws StateConflictError when the version cannot be resumed (any more); the message says why.
   */
  static async take(database: Database, sessionId: string, version: number): Promise<Claim> {
    const token = randomUUID();
    const [row] = await database.query<ClaimRow>(
      'select * from timestep.claim_run_state_v1($1, $2, $3, $4)',
      [sessionId, version, token, LEASE_SECONDS],
    );
    if (!row?.claimed) throw conflict(sessionId, version, row?.conflict ?? 'missing', 'resume');
    if (row.taken_over) {
      warn(
        `session ${sessionId}, version ${version}: the process that was resuming this run is gone; ` +
          'calls of tools that it had made since then may be made again',
        'TIMESTEP_TAKEN_OVER',
      );
    }
    return new Claim(database, sessionId, version, token);
  }

  /** End the claim and the run, which has finished. */
  async end(): Promise<void> {
    this.held = false;
    await this.#database.query("select timestep.end_run_state_claim_v1($1, 'done')", [this.token], {
      repeatable: true,
    });
  }

  /** Renew the lease until the answer is called; call `onLoss` if the claim is lost before. */
  renewed(onLoss: () => void): () => void {
    let renewedAt = performance.now();
    const timer = setInterval(async () => {
      if (await this.#renew()) {
        renewedAt = performance.now();
      } else if (this.isLost || performance.now() - renewedAt > LEASE_SECONDS * 1000) {
        this.held = false;
        this.isLost = true;
        clearInterval(timer);
        onLoss();
      }
    }, RENEW_MS);
    timer.unref();
    return () => clearInterval(timer);
  }

  async #renew(): Promise<boolean> {
    try {
      const [row] = await this.#database.query<{ renewed: boolean }>(
        'select timestep.renew_run_state_claim_v1($1, $2) as renewed',
        [this.token, LEASE_SECONDS],
      );
      if (!row?.renewed && this.held) this.isLost = true;
      return row?.renewed ?? false;
    } catch (error) {
      // An unreachable database may be back before the lease ends.
      warn(`session ${this.sessionId}: lease not renewed: ${error}`, 'TIMESTEP_LEASE');
      return false;
    }
  }
}

interface ClaimRow {
  claimed: boolean;
  conflict: string | null;
  taken_over: boolean;
}

/** The error for a version that cannot be resumed or saved. */
export function conflict(
  sessionId: string,
  version: number | undefined,
  why: string,
  action: 'resume' | 'save',
): StateConflictError {
  const named = version === undefined ? '' : `version ${version} of `;
  return new StateConflictError(
    `Cannot ${action} ${named}the run of session ${sessionId}: ${WHY[why]}. Nothing was changed. ` +
      "Load the session's state again to see where the run stands.",
  );
}

/** The error for a run that was stopped because its claim was taken over. */
export function lost(claim: Claim): StateConflictError {
  return new StateConflictError(
    `The run of session ${claim.sessionId} was stopped: its claim on version ${claim.version} was ` +
      'lost, because it could not be renewed in time or another process took it over. ' +
      "Load the session's state again to see where the run stands.",
  );
}
