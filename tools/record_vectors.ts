/**
 * Records paused runs as the installed TypeScript SDK writes them, into spec/vectors/run_states.
 *
 *     node tools/record_vectors.ts
 *
 * Recorded files are kept for ever and never changed: what is there already is left as it is, and a
 * new version of the SDK gets a folder of its own.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTracingDisabled } from '@openai/agents';
import { fromEnvelope } from '../typescript/src/runState/fromEnvelope.ts';
import { nativeDocument, sdkVersion } from '../typescript/src/runState/native.ts';
import { encode } from '../typescript/src/runState/record.ts';
import { toEnvelope } from '../typescript/src/runState/toEnvelope.ts';
import { ModelServer } from '../typescript/src/testing/index.ts';
import { runThrough } from '../typescript/test/runState/harness.ts';
import { scenarios } from '../typescript/test/runState/scenarios.ts';

setTracingDisabled(true);

/** Characters; a vector is there to be read. */
const LARGEST = 100_000;

const folder = new URL(`../spec/vectors/run_states/typescript-${sdkVersion}/`, import.meta.url);
mkdirSync(folder, { recursive: true });

await using server = await ModelServer.start();
for (const scenario of scenarios) {
  let pause = 0;
  await runThrough(server, scenario, async (state, agent) => {
    pause += 1;
    const native = nativeDocument(state);
    const envelope = toEnvelope(state, { native });
    write(`${scenario.name.replaceAll(/\W+/g, '_')}-${pause}.json`, {
      description: `${scenario.name}, pause ${pause}`,
      scenario: scenario.name,
      writer: { language: 'typescript', sdk_version: sdkVersion },
      envelope,
      native,
    });
    return fromEnvelope(envelope, agent);
  }, { decideFirst: pause % 2 === 1 });
}

function write(name: string, vector: Record<string, unknown>): void {
  const lines = Object.entries(vector).map(([key, value]) => `${JSON.stringify(key)}: ${encode(value)}`);
  const text = `{\n${lines.join(',\n')}\n}\n`;
  const file = new URL(name, folder);
  if (!existsSync(file) && text.length <= LARGEST) writeFileSync(file, text);
}
