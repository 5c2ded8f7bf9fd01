/** Imports point down only: Biome says so, and this test says that Biome would notice. */

import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const BIOME = join(REPOSITORY, 'node_modules/@biomejs/biome/bin/biome');

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'timestep-layers-'));
  await copyFile(join(REPOSITORY, 'biome.json'), join(folder, 'biome.json'));
});

afterAll(() => rm(folder, { recursive: true }));

/** What Biome says of a source file of ours with this content. */
async function lint(file: string, content: string): Promise<string> {
  const path = join(folder, 'typescript/src', file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIOME, 'lint', path], {
    cwd: folder,
    encoding: 'utf8',
  });
  await rm(path);
  return `exit ${status}\n${stdout}${stderr}`;
}

const importing = (path: string) => `import { x } from '${path}';\n\nexport const y = x;\n`;

test.each([
  ['settings.ts', './database/index.ts'],
  ['errors.ts', './runner.ts'],
  ['documents.ts', './runState/items.ts'],
  ['database/some.ts', '../session.ts'],
  ['database/some.ts', '../index.ts'],
  ['database/embedded/some.ts', '../../runner.ts'],
  ['database/embedded/some.ts', '../../runState/store.ts'],
  ['runState/some.ts', '../session.ts'],
  ['runState/some.ts', '../models/index.ts'],
  ['models/some.ts', '../tools/index.ts'],
  ['models/some.ts', '../runner.ts'],
  ['tools/some.ts', '../models/index.ts'],
  ['testing/some.ts', '../database/index.ts'],
  ['session.ts', './runner.ts'],
  ['session.ts', './models/index.ts'],
  ['runner.ts', './index.ts'],
  ['session.ts', 'pg'],
  ['runner.ts', './durable/index.ts'],
  ['runState/some.ts', '../durable/journal.ts'],
  ['durable/some.ts', '../index.ts'],
  ['durable/some.ts', '../testing/index.ts'],
])('%s may not import %s', async (file, path) => {
  expect(await lint(file, importing(path))).toMatch(/^exit 1.*noRestrictedImports/s);
});

test.each([
  ['settings.ts', './errors.ts'],
  ['database/some.ts', '../settings.ts'],
  ['database/some.ts', 'pg'],
  ['database/embedded/some.ts', '../connect.ts'],
  ['runState/some.ts', '../database/index.ts'],
  ['session.ts', './runState/items.ts'],
  ['runner.ts', './session.ts'],
  ['index.ts', './runner.ts'],
])('%s may import %s', async (file, path) => {
  expect(await lint(file, importing(path))).toMatch(/^exit 0/);
});

test('only settings.ts reads the environment', async () => {
  const reading = 'export const home = process.env.HOME;\n';
  expect(await lint('session.ts', reading)).toMatch(/^exit 1.*noProcessEnv/s);
  expect(await lint('settings.ts', reading)).toMatch(/^exit 0/);
});
