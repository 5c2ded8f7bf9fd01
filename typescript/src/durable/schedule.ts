/**
 * Durable runs that start by the clock, again and again.
 *
 * - Who decides: a schedule is a row of `timestep.schedules` and a schedule of DBOS in the language
 *   that wrote the row last; ticks of the other language are ignored.
 * - What time means: the crontab's time zone; UTC by default. A tick is named by its UTC time.
 * - On failure: ticks while no process runs are left out. However many processes see a tick, its run
 *   has one id, so it is one run.
 */

import { createHash } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { codeOf } from '../database/failure.ts';
import { openDatabase } from '../database/index.ts';
import { columnText, dump } from '../documents.ts';
import { ConfigurationError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import type { Session } from '../session.ts';
import { DEFAULT_QUEUE } from './configuration.ts';
import { registerQueue } from './dbosQueue.ts';
import { launched } from './launch.ts';
import { outside } from './outside.ts';
import { currentProcess, type Process } from './process.ts';
import { QUEUED_NAMES, type QueuedOptions } from './queue.ts';
import { record, SCHEDULE_COLUMNS, type ScheduleRecord } from './records.ts';
import { known, requested } from './runs.ts';
import { scheduledRun } from './tick.ts';

/** What {@link createScheduledAgentWorkflow} takes. */
export interface ScheduleOptions extends QueuedOptions {
  /**
   * Minute, hour, day of month, month, day of week; a field before them counts seconds:
   * `0 9 * * 1-5` is nine o'clock on workdays.
   */
  crontab: string;
  /** The schedule's name. Default: made of the agent's name and all that is given here. */
  name?: string | undefined;
  /** Such as `Europe/Berlin`. Default: UTC. */
  timezone?: string | undefined;
}

const NAMES: Names<ScheduleOptions> = {
  ...QUEUED_NAMES,
  crontab: true,
  name: true,
  timezone: true,
};

/**
 * Run the agent by the clock from now on; returns the schedule's name.
 *
 * It is kept in the database: it goes on after a restart as soon as a process is there again. A
 * schedule of the same name is replaced. A new one is noticed within 5 seconds.
 *
 * @throws ConfigurationError when the crontab or the time zone cannot be used.
 * @throws NotDurableError when something about the runs cannot be recorded.
 * @throws TypeError when there is no option of a name that was given.
 */
export async function createScheduledAgentWorkflow(given: ScheduleOptions): Promise<string> {
  checkOptions(given, NAMES);
  const { crontab, agent, timezone, queueName = DEFAULT_QUEUE } = given;
  const { session, input, options } = requested(given);
  const { process } = await launched();
  const named = session?.wasNamed ? session.sessionId : null;
  const name = given.name ?? derivedName(crontab, agent.name, named, input, timezone);
  await known(process, agent);
  await registerQueue(process.configuration, queueName);
  await apply(process, name, crontab, timezone);
  if (session) await keepSession(process, name, session);
  const sessionId = session?.sessionId ?? null;
  await process.database.query(
    `insert into timestep.schedules
        (name, language, crontab, timezone, agent, session_id, input, options, queue_name)
      values ($1, 'typescript', $2, $3, $4, $5, $6, $7, $8) on conflict (name) do update
      set language = excluded.language, crontab = excluded.crontab, timezone = excluded.timezone,
        agent = excluded.agent, session_id = excluded.session_id, input = excluded.input,
        options = excluded.options, queue_name = excluded.queue_name, updated_at = now()`,
    [name, crontab, timezone ?? null, columnText(agent.name), sessionId, input, options, queueName],
    { repeatable: true },
  );
  return name;
}

/** The schedules of both languages, by name. */
export async function listSchedules(): Promise<ScheduleRecord[]> {
  await using database = await openDatabase();
  const rows = await database.query(
    `select ${SCHEDULE_COLUMNS} from timestep.schedules order by name`,
    [],
    {
      repeatable: true,
    },
  );
  return rows.map((row) => record<ScheduleRecord>(row));
}

/** End a schedule; runs that it started go on. False if there is none of that name. */
export async function deleteSchedule(name: string): Promise<boolean> {
  await using database = await openDatabase();
  const rows = await database.query(
    'delete from timestep.schedules where name = $1 returning name',
    [name],
  );
  const process = currentProcess();
  if (process) await outside(() => DBOS.deleteSchedule(dbosName(process, name)));
  return rows.length > 0;
}

/** Makes a session that is new that of the schedule, if it is there with one. */
async function keepSession({ database }: Process, name: string, session: Session): Promise<void> {
  const [row] = await database.query<{ session_id: string }>(
    'select session_id from timestep.schedules where name = $1 and session_id is not null',
    [name],
    { repeatable: true },
  );
  if (row) session.become(row.session_id);
}

async function apply(
  process: Process,
  name: string,
  crontab: string,
  timezone: string | undefined,
): Promise<void> {
  const schedule = {
    scheduleName: dbosName(process, name),
    workflowFn: scheduledRun,
    schedule: crontab,
    context: { schedule: name },
    cronTimezone: timezone ?? 'UTC',
  };
  try {
    await outside(() => DBOS.applySchedules([schedule]));
  } catch (error) {
    if (codeOf(error) !== undefined) throw error; // of the database
    throw new ConfigurationError(`The schedule '${name}' cannot be used: ${error}`, {
      cause: error,
    });
  }
}

function dbosName(process: Process, name: string): string {
  return `${process.configuration.application}.${name}`;
}

function derivedName(
  crontab: string,
  agent: string,
  sessionId: string | null | undefined,
  input: string,
  timezone: string | undefined,
): string {
  const given = dump([crontab, agent, sessionId ?? null, input, timezone ?? null]);
  return `${agent}-${createHash('sha256').update(given).digest('hex').slice(0, 12)}`;
}
