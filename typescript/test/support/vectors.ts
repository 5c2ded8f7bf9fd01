/** Rows that both languages run, from spec/vectors. */

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

export type ExpectedError = { name: string; message: string[] };

/** The rows of a file; each has a description. */
// biome-ignore lint/suspicious/noExplicitAny: a row's shape is known by the test that reads it
export function rows(path: string): any[] {
  return JSON.parse(
    readFileSync(new URL(`../../../spec/vectors/${path}`, import.meta.url), 'utf8'),
  );
}

/** Checks the class and the words of an error. */
export function expectError(error: unknown, expected: ExpectedError): void {
  expect((error as object | undefined)?.constructor.name, String(error)).toBe(expected.name);
  for (const text of expected.message) expect((error as Error).message).toContain(text);
}

/** What a call throws; an error when it throws nothing. */
export async function thrown(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was thrown.');
}
