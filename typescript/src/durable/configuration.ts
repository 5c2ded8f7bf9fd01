/** What this process was told about durable runs, and the names that follow from it. */

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import process from 'node:process';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { ModelProvider, RunConfig, Runner } from '@openai/agents';
import { setDBOSConnection } from '../database/dbos.ts';
import { ConfigurationError } from '../errors.ts';
import { checkOptions, type Names } from '../options.ts';
import type { AnyAgent } from '../runState/native.ts';
import { text } from '../settings.ts';
import { registerAgent } from './registry.ts';

/** Grows when journals of before can no longer be executed. */
const JOURNAL_VERSION = 1;
const LEASE_SECONDS = 30;
export const DEFAULT_QUEUE = 'agents';
export const SUFFIXES = { python: 'py', typescript: 'ts' } as const;

/** A language that executes durable runs. */
export type Runtime = keyof typeof SUFFIXES;

/** What a queue allows. */
export interface QueueLimits {
  /** How many of its runs are executed at once, over all processes. Default: any number. */
  concurrency?: number;
  /** How many of them one process executes at once. Default: any number. */
  workerConcurrency?: number;
  /** How often a process looks for work. Default: 0.2. */
  pollingSeconds?: number;
}

const LIMIT_NAMES: Names<QueueLimits> = {
  concurrency: true,
  workerConcurrency: true,
  pollingSeconds: true,
};

/** What {@link configureDBOS} takes. */
export interface DBOSOptions {
  /**
   * The application, shared by every process of both languages that may finish each other's runs:
   * a-z, 0-9, `_` and `-`. Default: `TIMESTEP_APP_NAME`, else `timestep`.
   */
  name?: string | undefined;
  /**
   * The PostgreSQL of DBOS, and of everything else where `PG_CONNECTION_URI` names none. Default: the
   * one that Timestep finds.
   */
  systemDatabaseUrl?: string | undefined;
  /**
   * The agents whose runs this process may take over or take from a queue. Agents that are run here
   * are known without it. Default: none.
   */
  agents?: Iterable<AnyAgent> | undefined;
  /**
   * A name for this process that stays the same when it is started again, such as that of a pod: its
   * runs go on at once then. Default: `DBOS__VMID`, else a new one.
   */
  executorId?: string | undefined;
  /** For runs that this process takes over or from a queue. Default: as for `runAgent`. */
  modelProvider?: ModelProvider | undefined;
  /** For the same runs. Default: none. */
  runConfig?: Partial<RunConfig> | undefined;
  /** For the same runs: a runner of your own, for listeners; `runConfig` is then not used. */
  runner?: Runner | undefined;
  /** Limits of queues, by name. Default: every queue is unlimited. */
  queues?: Readonly<Record<string, QueueLimits>> | undefined;
  /**
   * For how long this process may be silent before another one takes over its runs, from 1 to 3600.
   * A tool that computes for longer than that without giving way is such a silence. Default: 30.
   */
  leaseSeconds?: number | undefined;
  /**
   * Further fields of DBOS's own `DBOSConfig`, whose types would ask every project for those of its
   * database driver. Default: none.
   */
  dbosOptions?: Readonly<Record<string, unknown>> | undefined;
}

const NAMES: Names<DBOSOptions> = {
  name: true,
  systemDatabaseUrl: true,
  agents: true,
  executorId: true,
  modelProvider: true,
  runConfig: true,
  runner: true,
  queues: true,
  leaseSeconds: true,
  dbosOptions: true,
};

/** Everything that was configured. */
export class Configuration {
  readonly name: string;
  readonly systemDatabaseUrl: string | undefined;
  readonly executorId: string | undefined;
  readonly modelProvider: ModelProvider | undefined;
  readonly runConfig: Partial<RunConfig> | undefined;
  readonly runner: Runner | undefined;
  readonly queues: Readonly<Record<string, QueueLimits>>;
  readonly leaseSeconds: number;
  readonly dbosOptions: Readonly<Record<string, unknown>>;

  constructor(given: Given) {
    this.name = given.name ?? nameFromSettings();
    this.systemDatabaseUrl = given.systemDatabaseUrl;
    this.executorId = given.executorId;
    this.modelProvider = given.modelProvider;
    this.runConfig = given.runConfig;
    this.runner = given.runner;
    this.queues = given.queues ?? {};
    this.leaseSeconds = given.leaseSeconds ?? LEASE_SECONDS;
    this.dbosOptions = given.dbosOptions ?? {};
  }

  /** The name of this application in DBOS. */
  get application(): string {
    return this.applicationOf('typescript');
  }

  /** The version under which DBOS hands work to processes of any release. */
  get applicationVersion(): string {
    return this.applicationVersionOf('typescript');
  }

  /** The DBOS application of a language. */
  applicationOf(language: Runtime): string {
    return `${this.name}-${SUFFIXES[language]}`;
  }

  applicationVersionOf(language: Runtime): string {
    return `${this.applicationOf(language)}@journal-${JOURNAL_VERSION}`;
  }

  /** The name in DBOS of a queue of one of the two languages. */
  queue(name: string | undefined, language: Runtime = 'typescript'): string {
    return `${this.applicationOf(language)}.${name ?? DEFAULT_QUEUE}`;
  }
}

type Given = Omit<DBOSOptions, 'agents'>;

let current: Configuration | undefined;

/**
 * Say how durable runs are executed in this process; may be awaited.
 *
 * Connects to nothing. Called again it may add agents, and say the same, but nothing else.
 *
 * @throws ConfigurationError when a value cannot be used, or contradicts an earlier call.
 * @throws TypeError when there is no option of a name that was given.
 */
export function configureDBOS({ agents = [], ...given }: DBOSOptions = {}): void {
  checkOptions<DBOSOptions>(given, NAMES);
  for (const limits of Object.values(given.queues ?? {})) checkOptions(limits, LIMIT_NAMES);
  for (const agent of agents) registerAgent(agent);
  if (given.name !== undefined) checkName(given.name, 'name');
  if (given.leaseSeconds !== undefined) checkLease(given.leaseSeconds);
  if (current) checkSame(current, given);
  else current = configured(given);
}

/** What was configured, or the defaults, which are configured by it. */
export function configuration(): Configuration {
  current ??= configured({});
  return current;
}

/** Lets {@link configureDBOS} start anew. */
export function forgetConfiguration(): void {
  if (current?.systemDatabaseUrl !== undefined) setDBOSConnection(undefined);
  current = undefined;
}

/** An id that no other process has. */
export function newExecutorId(): string {
  return `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

function configured(given: Given): Configuration {
  const made = new Configuration(given);
  if (made.systemDatabaseUrl !== undefined) setDBOSConnection(made.systemDatabaseUrl);
  return made;
}

function checkSame(found: Configuration, given: Given): void {
  for (const [field, value] of Object.entries(given)) {
    const before = found[field as keyof Given];
    if (value === undefined || isSame(before, value)) continue;
    const isSecret = field === 'systemDatabaseUrl' || field === 'dbosOptions';
    const shown = isSecret ? '' : `: it is ${inspect(before)}, now ${inspect(value)} was given`;
    throw new ConfigurationError(
      `configureDBOS() was called before with another ${field}${shown}. Configure once per ` +
        'process, or await cleanupDBOS() first.',
    );
  }
}

/** Plain objects are compared by what they hold; of others, two are never the same. */
function isSame(before: unknown, value: unknown): boolean {
  return (
    before === value || (isPlain(before) && isPlain(value) && isDeepStrictEqual(before, value))
  );
}

function isPlain(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function nameFromSettings(): string {
  const name = text('TIMESTEP_APP_NAME');
  if (name === undefined) return 'timestep';
  checkName(name, 'TIMESTEP_APP_NAME');
  return name;
}

function checkName(name: string, where: string): void {
  if (/^[a-z0-9_-]{1,200}$/.test(name)) return;
  throw new ConfigurationError(
    `${where} is '${name}'; expected 1 to 200 of the characters a-z, 0-9, _ and -.`,
  );
}

function checkLease(seconds: number): void {
  if (seconds >= 1 && seconds <= 3600) return;
  throw new ConfigurationError(`leaseSeconds is ${seconds}; expected 1 to 3600 seconds.`);
}
