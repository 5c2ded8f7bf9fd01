/**
 * The server as a process of its own: `node main.ts` prints one line, `{"port":N}`, and serves on
 * 127.0.0.1 until its standard input ends, so it never outlives the process that started it.
 */

import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { createModelServer } from './server.ts';

const PARENT_CHECK_MS = 500;

const parent = process.ppid;
const server = createModelServer();

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();

// A forked sibling may keep the pipe open after the parent is gone; the parent's id tells anyway.
setInterval(() => {
  if (process.ppid !== parent) process.exit(0);
}, PARENT_CHECK_MS).unref();
