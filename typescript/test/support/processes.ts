/** Other processes: Node runs a program of test/, Python its twin. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { environmentWith } from './environment.ts';
import { until } from './until.ts';

const REPOSITORY = resolve(import.meta.dirname, '../../..');
/** Ends what hangs; a busy machine may need a minute for Python's imports alone. */
const LIMIT_MS = 180_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Waits until the process has written a text to its standard output. */
  says(text: string): Promise<void>;
  /** Lets a process go on that holds on until its standard input ends. */
  release(): void;
}

/** Starts a TypeScript program; warnings of Node end it with an error. */
export function startNode(
  program: string,
  args: string[],
  variables: Record<string, string>,
): Running {
  // compiled modules are kept: that halves the time in which a process starts
  const cache = join(REPOSITORY, 'node_modules/.cache/node');
  return start(process.execPath, ['--throw-deprecation', program, ...args], {
    NODE_COMPILE_CACHE: cache,
    ...variables,
  });
}

/** Starts a Python program in the development environment; warnings are errors. */
export function startPython(
  program: string,
  args: string[],
  variables: Record<string, string>,
): Running {
  const own = join(REPOSITORY, '.venv/bin/python');
  return start(existsSync(own) ? own : 'python3', ['-W', 'error', program, ...args], variables);
}

function start(command: string, args: string[], variables: Record<string, string>): Running {
  const child = spawn(command, args, {
    env: environmentWith(variables),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr += text;
  });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  const says = async (text: string) => {
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    await until(
      () => output.stdout.includes(text) || ended(),
      `${args.join(' ')} says ${text}`,
      LIMIT_MS,
    );
    if (!output.stdout.includes(text))
      throw new Error(`${args.join(' ')} ended first: ${output.stderr}`);
  };
  return { process: child, ended: promise, says, release: () => child.stdin.end() };
}
