import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { argumentLines } from '../../src/runState/schemas.ts';

interface Row {
  description: string;
  schemas: unknown[];
  lines: string[];
}

const path = new URL('../../../spec/vectors/tool_arguments/tool_arguments.json', import.meta.url);
const rows: Row[] = JSON.parse(readFileSync(path, 'utf8')).rows;

describe('the arguments of a tool', () => {
  it.each(rows)('are the same lines from every library: $description', ({ schemas, lines }) => {
    for (const schema of schemas) expect(argumentLines(schema)).toEqual(lines);
  });
});
