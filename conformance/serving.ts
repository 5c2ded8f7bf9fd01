// biome-ignore-all lint/suspicious/noExplicitAny: commands are JSON that only their function looks into
/** A program that does what lines of JSON say. serving.py is the same in Python and tells how. */

import { createInterface } from 'node:readline';

export type Json = Record<string, any>;
export type Tell = (event: Json) => void;
export type Command = (command: Json, tell: Tell) => Promise<unknown>;

/**
 * Carries out commands until standard input ends.
 *
 * @param commands - What can be asked for, by name.
 * @param prepare - Awaited with each command before it begins, one after the other (nothing).
 */
export async function serve(
  commands: Record<string, Command>,
  prepare: (command: Json) => Promise<void> = async () => {},
): Promise<void> {
  const running = new Set<Promise<void>>();
  say({ event: 'ready', pid: process.pid });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    await prepare(command);
    const task = answer(commands, command).finally(() => running.delete(task));
    running.add(task);
  }
  await Promise.all(running);
}

async function answer(commands: Record<string, Command>, command: Json): Promise<void> {
  const tell = (event: Json) => say({ id: command.id, ...event });
  try {
    tell({ result: await commands[command.do]?.(command, tell) });
  } catch (error: any) {
    tell({ error: { name: error.constructor.name, message: error.message } });
  }
}

function say(line: Json): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
