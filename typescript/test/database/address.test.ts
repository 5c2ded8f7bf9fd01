import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { display, formatNodeUrl, formatUrl, parseAddress } from '../../src/database/address.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { withEnvironment } from '../support/environment.ts';

interface Row {
  description: string;
  input: string;
  environment?: Record<string, string>;
}

interface Accepted extends Row {
  output: { url: string; node_url?: string; display: string; connect_timeout: number };
}

interface Refused extends Row {
  error: string[];
  secret?: string;
}

test.each(rows<Accepted>('accepted'))('$description', async ({ input, environment, output }) => {
  const address = await withEnvironment(environment ?? {}, () => parseAddress(input));
  expect(formatUrl(address)).toBe(output.url);
  expect(formatNodeUrl(address)).toBe(output.node_url ?? output.url);
  expect(display(address)).toBe(output.display);
  expect(address.timeoutMs).toBe(output.connect_timeout * 1000);
});

test.each(rows<Refused>('refused'))('refused: $description', async (row) => {
  const error = await withEnvironment(row.environment ?? {}, () => refusalOf(row.input));
  for (const part of row.error) expect(error.message).toContain(part);
  if (row.secret)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(row.secret);
});

test.each(rows<Accepted>('accepted'))('read again it is the same: $description', async (row) => {
  const again = await withEnvironment({}, () => formatUrl(parseAddress(row.output.url)));
  expect(again).toBe(row.output.url);
});

function refusalOf(input: string): ConfigurationError {
  try {
    parseAddress(input);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return error as ConfigurationError;
  }
  throw new Error('It was accepted.');
}

function rows<Kind extends Row>(name: string): Kind[] {
  const folder = join(import.meta.dirname, '../../../spec/vectors/connection_uris');
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
}
