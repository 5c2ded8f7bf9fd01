/** Copies of the programs, where they cannot be used as they lie. */

import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { DatabaseUnavailableError } from '../../errors.ts';
import { type Account, runAs } from './account.ts';
import { type Binaries, program } from './binaries.ts';

/** The same programs where the server's user can run them: root's own are often closed to it. */
export async function accessibleCopy(
  binaries: Binaries,
  base: string,
  account: Account | undefined,
): Promise<Binaries> {
  if (!account || (await runsAs(account, binaries))) return binaries;
  const prefix = dirname(binaries.folder);
  const copy = await copyOnce(base, nameFor(binaries.version, prefix), async (target) => {
    await copyFiles(prefix, join(target, 'package', basename(prefix)));
    // Python wheels keep shared libraries beside the package, found by relative path.
    const libraries = `${dirname(prefix)}.libs`;
    if (existsSync(libraries)) await copyFiles(libraries, join(target, basename(libraries)));
  });
  const moved = { ...binaries, folder: join(copy, 'package', basename(prefix), 'bin') };
  if (await runsAs(account, moved)) return moved;
  throw new DatabaseUnavailableError(
    `user ${account.name} can run the programs neither in ${binaries.folder} nor in ${moved.folder}; open one of the folders to that user, or choose another TIMESTEP_DATA_DIR`,
  );
}

/** The package's files with the symbolic links that npm packages cannot carry. */
export async function linkedCopy(folder: string, base: string): Promise<string> {
  const native = join(folder, 'native');
  const links = readLinks(join(native, 'pg-symlinks.json'));
  // The package makes them itself after its installation, which package managers often forbid.
  if (links.every(({ target }) => existsSync(join(folder, target)))) return native;
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return copyOnce(base, nameFor(version, folder), async (copy) => {
    await copyFiles(native, copy);
    for (const { source, target } of links) {
      const link = join(copy, relative('native', target));
      await rm(link, { force: true });
      await symlink(basename(source), link);
    }
  });
}

function readLinks(file: string): { source: string; target: string }[] {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
}

async function runsAs(account: Account, binaries: Binaries): Promise<boolean> {
  try {
    await runAs(account, program(binaries, 'initdb'), ['--version']);
    await runAs(account, program(binaries, 'postgres'), ['--version']);
    return true;
  } catch {
    // The user may not enter a folder on the way, or not read a library.
    return false;
  }
}

function nameFor(version: string, folder: string): string {
  const place = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return `${version}-${place}`;
}

/** Fills a folder under another name first, so that a half-made copy is never used. */
async function copyOnce(base: string, name: string, fill: (target: string) => Promise<void>) {
  const target = join(base, 'binaries', name);
  if (existsSync(target)) return target;
  const making = `${target}.${randomUUID()}`;
  await mkdir(making, { recursive: true });
  await fill(making);
  await open(join(base, 'binaries'));
  try {
    await rename(making, target);
  } catch (error) {
    await rm(making, { recursive: true });
    // Somebody else was faster.
    if (!existsSync(target)) throw error;
  }
  return target;
}

async function copyFiles(from: string, to: string): Promise<void> {
  const wanted = (path: string) => !/[\\/]include$|\.a$/.test(path);
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter: wanted });
}

/** Lets every user enter the folder and read and run what is in it. */
async function open(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}
