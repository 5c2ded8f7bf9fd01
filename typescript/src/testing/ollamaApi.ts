/** Ollama's own `/api/…`: version, models, what is loaded, and derived models. */

import { type Answer, json } from './answer.ts';
import { type JsonObject, objectOf, textOf } from './json.ts';
import { bearer, type Call, namedScript, parseObject } from './model.ts';
import {
  type OllamaPlace,
  ollamaError,
  ollamaScript,
  routeMissing,
  unauthorized,
} from './ollama.ts';
import { OllamaState } from './ollamaState.ts';
import { Refusal } from './refusal.ts';
import type { Scripts } from './scripts.ts';

/** Answers `/api/…`; `path` is what follows the prefix. */
export function answerOllamaApi(
  call: Call,
  path: string,
  place: OllamaPlace,
  scripts: Scripts,
): Answer {
  try {
    if (place === 'cloud' && !(bearer(call) && namedScript(call))) throw unauthorized();
    return route(call, `${call.method} ${path}`, place, scripts);
  } catch (error) {
    if (error instanceof Refusal) return ollamaError(error);
    throw error;
  }
}

function route(call: Call, wanted: string, place: OllamaPlace, scripts: Scripts): Answer {
  const states = ollamas(call, scripts);
  if (wanted === 'GET /api/version') {
    return json(200, { version: (states[0] ?? new OllamaState({})).version });
  }
  if (wanted === 'GET /api/tags') {
    return json(200, { models: states.flatMap((state) => state.listed()) });
  }
  // The cloud loads and makes no models for its callers.
  if (place === 'cloud') throw routeMissing();
  if (wanted === 'GET /api/ps') {
    return json(200, { models: states.flatMap((state) => state.running()) });
  }
  if (wanted === 'POST /api/show') return show(call, scripts);
  if (wanted === 'POST /api/create') return create(call, scripts);
  throw routeMissing();
}

/** The Ollama of the script that the caller names; of all scripts when none is named. */
function ollamas(call: Call, scripts: Scripts): OllamaState[] {
  const named = namedScript(call);
  if (named === undefined) return scripts.all().map((script) => script.ollama);
  call.entry.script = named;
  return [scripts.get(named).ollama];
}

function show(call: Call, scripts: Scripts): Answer {
  const name = textOf(parseObject(call.text)?.model ?? '');
  if (!name) return json(400, { error: 'model is required' });
  const script = ollamaScript(call, name, scripts);
  if (script) call.entry.script = script.id;
  if (!script?.ollama.model(name)) return json(404, { error: `model '${name}' not found` });
  return json(200, {
    capabilities: ['completion', 'tools'],
    modified_at: '2026-01-01T00:00:00Z',
  });
}

function create(call: Call, scripts: Scripts): Answer {
  const body = parseObject(call.text);
  if (!body) return json(400, { error: 'invalid JSON' });
  const name = textOf(body.model ?? body.name ?? '');
  const from = textOf(body.from ?? '');
  if (!name) return json(400, { error: 'invalid model name' });
  const script = ollamaScript(call, from, scripts);
  if (script) call.entry.script = script.id;
  const made = script?.ollama.derive(name, from, objectOf(body.parameters)) ?? false;
  const missing = 'pull model manifest: file does not exist';
  if (body.stream === false) {
    return made ? json(200, { status: 'success' }) : json(500, { error: missing });
  }
  const lines: JsonObject[] = made
    ? [
        {
          status:
            'using existing layer sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff',
        },
        { status: 'writing manifest' },
        { status: 'success' },
      ]
    : [{ status: 'pulling manifest' }, { error: missing }];
  const headers = { 'Content-Type': 'application/x-ndjson' };
  return { status: 200, headers, pieces: lines.map((line) => `${JSON.stringify(line)}\n`) };
}
