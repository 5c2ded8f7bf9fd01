/** How column values arrive in JavaScript, without touching pg's settings for the whole process. */

import pg from 'pg';

const INT8 = 20;

/** Whole numbers as `number` where that is exact, else as `bigint`; pg would give text. */
export function parseInt8(value: string): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

/** pg's own parsers, save for bigint columns. */
export const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary' ? parseInt8 : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig;
