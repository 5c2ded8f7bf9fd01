import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelServer, type ScriptOptions, type Step } from '../../src/testing/index.ts';

const FOLDER = new URL('../../../spec/vectors/model_server/', import.meta.url);
const GREETING: Step[] = [{ output: [{ type: 'message', text: 'Hi' }] }];

interface Row {
  description: string;
  /** The path of the request (`/v1/responses`). */
  path?: string;
  /** Headers instead of the script's key; `{script}` stands for the script's id. */
  headers?: Record<string, string>;
  script?: ScriptOptions & { steps?: Step[] };
  /** Bodies of requests that are answered first. */
  before?: unknown[];
  body?: unknown;
  /** A body that is no JSON object. */
  text?: string;
  status: number;
  error?: { code?: string; param?: string; message?: string };
  answer?: Record<string, unknown>;
  answer_text?: string;
}

let server: ModelServer;
beforeAll(async () => {
  server = await ModelServer.start();
});
afterAll(() => server.close());

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith('.json')))('%s', (name) => {
  const { rows } = JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as { rows: Row[] };

  test.each(rows.map((row, index) => [row.description, row, `${name}-${index}`] as const))(
    '%s',
    async (_description, row, id) => {
      const { steps = GREETING, ...options } = row.script ?? {};
      await server.script(id, steps, options);
      for (const body of row.before ?? []) {
        expect((await post(id, row, JSON.stringify(body))).status).toBe(200);
      }
      const sent = row.text ?? JSON.stringify(row.body).replaceAll('{script}', id);

      const response = await post(id, row, sent);

      const received = await response.text();
      expect({ status: response.status, received }).toMatchObject({ status: row.status });
      if (row.answer_text !== undefined) expect(received).toBe(row.answer_text);
      if (row.answer) expect(JSON.parse(received)).toMatchObject(row.answer);
      if (row.error) {
        const { message, ...exact } = row.error;
        const { error } = JSON.parse(received) as { error: { message: string } };
        expect(error).toMatchObject(exact);
        expect(error.message).toContain(message ?? '');
      }
    },
  );
});

function post(id: string, row: Row, body: string): Promise<Response> {
  const given = row.headers ?? { authorization: `Bearer ${server.apiKey(id)}` };
  const headers = Object.fromEntries(
    Object.entries(given).map(([header, value]) => [header, value.replaceAll('{script}', id)]),
  );
  const path = row.path ?? '/v1/responses';
  return fetch(`${server.origin}${path}`, { method: 'POST', headers, body });
}
