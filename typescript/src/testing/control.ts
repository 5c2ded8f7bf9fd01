/** `/__…`: how a test sets scripts, reads the journal and releases held requests. */

import { type Answer, json } from './answer.ts';
import type { Journal } from './journal.ts';
import { isObject, listOf } from './json.ts';
import { complaint, Script, type ScriptOptions, type Scripts, type Step } from './scripts.ts';

const LONGEST_WAIT_MS = 60_000;

export interface ControlCall {
  method: string;
  url: URL;
  text: string;
}

export async function control(
  { method, url, text }: ControlCall,
  scripts: Scripts,
  journal: Journal,
): Promise<Answer> {
  const [, root, id, verb, name] = url.pathname.split('/').map(decodeURIComponent);
  const route = `${method} ${root}${id === undefined ? '' : '/id'}${verb ? `/${verb}` : ''}`;
  switch (route) {
    case 'GET __health':
      return json(200, { status: 'ok' });
    case 'GET __requests':
      return json(200, journal.all());
    case 'POST __script/id':
      return setScript(id ?? '', text, scripts, journal);
    case 'DELETE __script/id':
      scripts.remove(id ?? '');
      journal.forget(id ?? '');
      return json(200, {});
    case 'GET __script/id/requests':
      return json(200, journal.of(id ?? ''));
  }
  const script = scripts.find(id ?? '');
  if (!name || !verb || !['release', 'held'].includes(verb)) return problem(404, `No ${route}.`);
  if (!script) return problem(404, `No script '${id}' is set.`);
  if (method === 'POST' && verb === 'release') {
    script.gates.release(name);
    return json(200, {});
  }
  const waitMs = Math.min(Number(url.searchParams.get('wait_ms') ?? 0) || 0, LONGEST_WAIT_MS);
  return json(200, { held: await script.gates.held(name, waitMs) });
}

function setScript(id: string, text: string, scripts: Scripts, journal: Journal): Answer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return problem(400, `The script is no JSON: ${String(error)}`);
  }
  if (!isObject(body)) return problem(400, 'A script is an object with "steps".');
  const { steps, ...options } = body;
  const wrong = complaint(steps);
  if (wrong) return problem(400, wrong);
  journal.forget(id);
  scripts.set(new Script(id, steps as unknown as Step[], options as ScriptOptions));
  return json(200, { script: id, steps: listOf(steps).length });
}

function problem(status: number, message: string): Answer {
  return json(status, { error: { message } });
}
