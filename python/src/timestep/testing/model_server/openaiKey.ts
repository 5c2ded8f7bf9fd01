/** Who asks OpenAI: a request without a key, or with one that names no script, is refused. */

import type { JsonObject } from './json.ts';
import { bearer, type Call, namedScript } from './model.ts';
import { Refusal } from './refusal.ts';
import type { Script, Scripts } from './scripts.ts';

export function admitToOpenai(call: Call, _body: JsonObject, scripts: Scripts): Script {
  const key = bearer(call);
  const script = namedScript(call);
  if (key && script) {
    call.entry.script = script;
    return scripts.get(script);
  }
  throw new Refusal(
    key
      ? 'Incorrect API key provided: a key of this server is test-<script id>.'
      : 'No API key was provided: send the header Authorization: Bearer test-<script id>.',
    { status: 401, code: 'invalid_api_key' },
  );
}
