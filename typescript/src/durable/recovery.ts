/**
 * The heartbeat of this process, and the reaper that goes on with the runs of dead ones.
 *
 * - Who decides: PostgreSQL (`adopt_runs_v1`): of any number of reapers one gets an orphan.
 * - What time means: the lease is renewed every sixth of its length, on the event loop. The
 *   database's clock counts. A loop that is blocked for longer than the lease loses it: what it then
 *   writes is refused as soon as another process has taken the run.
 * - On failure: a process that could not renew its lease for as long as the lease stops its runs, for
 *   another may have taken them. When the database is back, it takes what is left.
 */

import { hostname } from 'node:os';
import nodeProcess from 'node:process';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { info, warn } from '../logger.ts';
import { enqueue, enqueueOptions } from './dbosQueue.ts';
import { isWaitedFor, runAgentBody } from './execution.ts';
import type { Process } from './process.ts';
import { registeredNames } from './registry.ts';
import { resumeExpired } from './resuming.ts';

const BEATS_PER_LEASE = 6;
const ADOPTED_AT_ONCE = 10;
/** By a process that died before it could let the run go on. */
const EXPIRED_BEFORE = `select distinct r.run_id from timestep.approvals a join timestep.runs r
    on r.run_id = a.run_id and r.state_session_id = a.session_id and r.state_version = a.version
  where a.status = 'expired' and a.decided_at > clock_timestamp() - interval '1 day'
    and r.status = 'interrupted' and not exists (select from timestep.approvals p
      where p.session_id = a.session_id and p.version = a.version and p.status = 'pending')`;

interface Orphan {
  run_id: string;
  segment: number;
  epoch: number;
  status: string;
  workflow_id: string | null;
  queue_name: string | null;
}

interface OwnRun {
  run_id: string;
  epoch: number;
}

/** What keeps this process alive in the eyes of the others, and looks after them. */
export class Heart {
  readonly #process: Process;
  readonly #leaseSeconds: number;
  #timer: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #stopped = false;
  #looksAfterOthers = false;
  #suspects = new Set<string>();
  #beats = 0;

  constructor(process: Process) {
    this.#process = process;
    this.#leaseSeconds = process.configuration.leaseSeconds;
  }

  /** Registers this process and begins to beat. */
  async start(): Promise<void> {
    await this.#register();
    this.#wait();
  }

  /** From now on, DBOS having been launched, goes on with runs of processes that died. */
  async lookAfterOthers(): Promise<void> {
    this.#looksAfterOthers = true;
    await this.#beating;
    clearTimeout(this.#timer);
    this.#wait(0); // what a process of the same name has left behind is taken at once
  }

  /** Ends, and lets others take over at once what is still under way here. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer === undefined) return; // never began
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
    await this.#beating;
    for (const execution of this.#process.active.values()) execution.stop();
    try {
      await this.#query('select timestep.stop_executor_v1($1)', [this.#process.instance]);
    } catch (error) {
      // the lease runs out by itself
      warn(`this executor could not be signed off: ${error}`, 'TIMESTEP_HEARTBEAT');
    }
  }

  #wait(milliseconds = this.#beatMs): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#live();
    }, milliseconds);
  }

  get #beatMs(): number {
    return (this.#leaseSeconds * 1000) / BEATS_PER_LEASE;
  }

  async #live(): Promise<void> {
    try {
      await this.#beat();
    } catch (error) {
      // the database may be back at the next beat
      warn(`heartbeat failed: ${error}`, 'TIMESTEP_HEARTBEAT');
    }
    this.#wait();
  }

  async #beat(): Promise<void> {
    const began = performance.now();
    const [row] = await this.#query<{ alive: boolean }>(
      'select timestep.keep_executor_alive_v1($1, $2) as alive',
      [this.#process.instance, this.#leaseSeconds],
    );
    if (row?.alive) {
      this.#lives(began);
    } else {
      // stopped by a process of the same executor id, which has our runs now
      this.#stopRuns();
      await this.#register();
    }
    await this.#stopLostRuns();
    if (!this.#looksAfterOthers) return;
    await this.#adopt();
    await this.#resumeExpired('select run_id from timestep.expire_approvals_v1() as run_id');
    this.#beats += 1;
    if (this.#beats % BEATS_PER_LEASE !== 0) return;
    await this.#freeDequeued();
    await this.#resumeExpired(EXPIRED_BEFORE);
  }

  async #register(): Promise<void> {
    const { instance, executorId, configuration } = this.#process;
    const began = performance.now();
    await this.#query(
      `select timestep.register_executor_v1($1, $2, $3, 'typescript', $4, $5, $6)`,
      [
        instance,
        executorId,
        configuration.application,
        hostname(),
        nodeProcess.pid,
        this.#leaseSeconds,
      ],
    );
    this.#lives(began);
  }

  /** Notes a renewal of the lease; without another one the runs stop when it runs out. */
  #lives(began: number): void {
    this.#process.aliveUntil = began + this.#leaseSeconds * 1000;
    clearTimeout(this.#expiry);
    const left = this.#process.aliveUntil - performance.now();
    this.#expiry = setTimeout(() => this.#stopRuns(), Math.max(0, left));
  }

  #stopRuns(): void {
    for (const execution of this.#process.active.values()) {
      warn(`run ${execution.journal.runId}: stopped here, the lease ran out`, 'TIMESTEP_HEARTBEAT');
      execution.stop();
    }
  }

  /** Stops what was cancelled or taken; releases what is ours in the table but not in fact. */
  async #stopLostRuns(): Promise<void> {
    const executing = [...this.#process.active];
    const rows = await this.#query<OwnRun>(
      `select run_id, epoch from timestep.runs
        where owner = $1 and status in ('pending', 'running')`,
      [this.#process.instance],
    );
    const mine = new Map(rows.map(({ run_id, epoch }) => [run_id, epoch]));
    for (const [runId, execution] of executing) {
      const ended = execution.settling || this.#process.active.get(runId) !== execution;
      if (mine.get(runId) !== execution.journal.epoch && !ended) execution.stop();
    }
    await this.#releaseIdle(mine);
  }

  async #releaseIdle(mine: Map<string, number>): Promise<void> {
    const idle = [...mine.keys()].filter((run) => !this.#process.has(run) && !isWaitedFor(run));
    const before = this.#suspects;
    this.#suspects = new Set(idle.filter((runId) => !before.has(runId)));
    for (const runId of idle.filter((run) => before.has(run))) {
      await this.#query('select timestep.release_run_v1($1, $2)', [runId, mine.get(runId)]);
    }
  }

  async #adopt(): Promise<void> {
    const names = registeredNames();
    if (names.length === 0) return;
    const until = performance.now() + this.#beatMs;
    for (let more = true; more && performance.now() < until; ) {
      const orphans = await this.#query<Orphan>(
        `select * from timestep.adopt_runs_v1($1, 'typescript', $2, $3)`,
        [this.#process.instance, names, ADOPTED_AT_ONCE],
      );
      const goingOn = orphans.filter(({ status }) => status !== 'failed');
      for (const orphan of goingOn) await this.#continue(orphan);
      await this.#endWorkflows(goingOn);
      more = orphans.length === ADOPTED_AT_ONCE;
    }
  }

  async #continue({ run_id, segment, epoch, queue_name }: Orphan): Promise<void> {
    if (queue_name !== null) {
      const options = { runId: run_id, queueName: queue_name, language: 'typescript' } as const;
      await enqueue(enqueueOptions(this.#process.configuration, options), { run_id, segment: 0 });
      await this.#query('select timestep.mark_enqueued_v1($1)', [run_id]);
      return;
    }
    info('run %s: its process is gone, it goes on here', run_id);
    const workflow = { workflowID: `${run_id}#${epoch}` };
    await DBOS.startWorkflow(runAgentBody, workflow)({ run_id, segment, epoch });
  }

  /**
   * Has DBOS note that the workflows of dead processes are over. Those of this process's own name are
   * left: DBOS itself executes them here again, and they end, since their runs are taken.
   */
  async #endWorkflows(orphans: Orphan[]): Promise<void> {
    const ids = orphans
      .filter(({ queue_name }) => queue_name === null)
      .flatMap(({ workflow_id }) => workflow_id ?? []);
    if (ids.length === 0) return;
    const found = await DBOS.listWorkflows({
      workflowIDs: ids,
      status: 'PENDING',
      loadInput: false,
    });
    for (const { workflowID, executorId } of found) {
      if (executorId !== this.#process.executorId) await DBOS.cancelWorkflow(workflowID);
    }
  }

  /** Puts back in its queue what a process took from it and died before it claimed the run. */
  async #freeDequeued(): Promise<void> {
    const waiting = await this.#query<{ id: string }>(
      `select case segment when 0 then run_id else run_id || ':r' || segment end as id
        from timestep.runs where status = 'pending' and owner is null and language = 'typescript'
          and updated_at < clock_timestamp() - make_interval(secs => $1)
        order by updated_at limit 100`,
      [this.#leaseSeconds],
    );
    if (waiting.length === 0) return;
    const taken = await DBOS.listWorkflows({
      workflowIDs: waiting.map(({ id }) => id),
      status: 'PENDING',
      loadInput: false,
    });
    const alive = await this.#query<{ executor_id: string }>(
      `select executor_id from timestep.executors where application = $1
        and stopped_at is null and alive_until > clock_timestamp()`,
      [this.#process.configuration.application],
    );
    const names = new Set(alive.map(({ executor_id }) => executor_id));
    for (const { workflowID, executorId } of taken) {
      if (!executorId || !names.has(executorId)) await DBOS.resumeWorkflow(workflowID);
    }
  }

  /** Lets runs go on whose approvals have expired. */
  async #resumeExpired(found: string): Promise<void> {
    for (const { run_id } of await this.#query<{ run_id: string }>(found)) {
      try {
        await resumeExpired(this.#process, run_id);
      } catch (error) {
        // the others do not wait for this one
        warn(`run ${run_id}: its approvals have expired: ${error}`, 'TIMESTEP_HEARTBEAT');
      }
    }
  }

  #query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#process.database.query<Row>(text, values, { repeatable: true });
  }
}
