/**
 * Runs files as a line of JSON says, one after the other, and answers with what they printed.
 * driver.py is the same in Python and says what a line is.
 */

import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

type Command = { file: string; arguments: string[]; environment: Record<string, string> };

const answer = process.stdout.write.bind(process.stdout);
let printed = '';
process.stdout.write = ((text: string) => {
  printed += text;
  return true;
}) as typeof process.stdout.write;

/** Send what is meant for Ollama Cloud to the model server. */
const send = globalThis.fetch;
globalThis.fetch = ((input: string | URL | Request, init?: RequestInit) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!url.startsWith('https://ollama.com/')) return send(input, init);
  const path = url.slice('https://ollama.com'.length);
  const headers = new Headers(init?.headers);
  headers.set('X-Timestep-Script', `${process.env.SCRIPT_FOR_SAMPLES}`);
  return send(`${process.env.OLLAMA_CLOUD_FOR_SAMPLES}${path}`, { ...init, headers });
}) as typeof fetch;

async function run(command: Command): Promise<{ output: string; error: string | null }> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, command.environment);
  process.argv = [process.argv[0] as string, command.file, ...command.arguments];
  printed = '';
  let error: string | null = null;
  try {
    await import(pathToFileURL(command.file).href);
  } catch (thrown) {
    error = thrown instanceof Error ? `${thrown.stack}` : String(thrown);
  }
  await endDurableRuns();
  return { output: printed, error };
}

/** End what a sample launched, as the end of its process does for readers. */
async function endDurableRuns(): Promise<void> {
  // only now: the SDK reads its settings when it is loaded
  const { cleanupDBOS } = await import('@timestep-ai/timestep');
  await cleanupDBOS();
}

for await (const line of createInterface({ input: process.stdin })) {
  answer(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
process.exit();
