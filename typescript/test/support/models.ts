/** Models for tests: the scripted server, an environment without keys, a port where nothing listens. */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTracingDisabled } from '@openai/agents';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import { ModelServer } from '../../src/testing/index.ts';

const FOREIGN = [
  'OPENAI_API_KEY',
  'OPENAI_ADMIN_KEY',
  'OPENAI_ORG_ID',
  'OPENAI_PROJECT_ID',
  'OPENAI_BASE_URL',
  'OPENAI_CUSTOM_HEADERS',
  'OPENAI_DEFAULT_MODEL',
  'OLLAMA_API_KEY',
  'OLLAMA_HOST',
  'FIRECRAWL_API_KEY',
  'FIRECRAWL_API_URL',
];

/** Takes every key out of the environment for each test of the file. */
export function withoutKeys(): void {
  beforeEach(() => {
    for (const name of FOREIGN) vi.stubEnv(name, undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
}

/** Gives the tests of a file a model server and no keys. */
export function scriptedModels(): { server: ModelServer } {
  const models = {} as { server: ModelServer };
  withoutKeys();
  beforeAll(async () => {
    setTracingDisabled(true);
    models.server = await ModelServer.start();
  });
  afterAll(() => models.server.close());
  return models;
}

export async function refusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
