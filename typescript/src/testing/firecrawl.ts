/** `POST /firecrawl/v2/search`: search results as the script gives them, hostile ones included. */

import { type Answer, json } from './answer.ts';
import { deterministicId } from './ids.ts';
import { type JsonObject, listOf, objectOf, textOf } from './json.ts';
import { bearer, type Dialect, namedScript, type Turn } from './model.ts';
import { Refusal } from './refusal.ts';
import { checkShape, type Shape } from './strict/shape.ts';

const LONGEST_QUERY = 500;
const MOST_RESULTS = 100;

const REQUEST: Shape = {
  query: 'text',
  limit: 'number?',
  location: 'text?',
  country: 'text?',
  sources: 'list?',
  categories: 'list?',
  includeDomains: 'list?',
  excludeDomains: 'list?',
  tbs: 'text?',
  timeout: 'number?',
  ignoreInvalidURLs: 'flag?',
  scrapeOptions: 'object?',
  integration: 'text?',
  origin: 'text?',
};

export const firecrawlDialect: Dialect = {
  admit(call, _body, scripts) {
    const named = namedScript(call);
    if (!bearer(call) || !named) {
      throw new Refusal('Unauthorized: Invalid token', { status: 401 });
    }
    call.entry.script = named;
    return scripts.get(named);
  },
  check(body) {
    checkShape(body, REQUEST, '');
    const { query, limit } = body;
    if (textOf(query).trim() === '' || textOf(query).length > LONGEST_QUERY) {
      throw new Refusal(`'query' must have 1 to ${LONGEST_QUERY} characters.`, { param: 'query' });
    }
    if (typeof limit === 'number' && (limit < 1 || limit > MOST_RESULTS)) {
      throw new Refusal(`'limit' must be 1 to ${MOST_RESULTS}.`, { param: 'limit' });
    }
    if (body.includeDomains && body.excludeDomains) {
      throw new Refusal("Only one of 'includeDomains' and 'excludeDomains' may be given.");
    }
  },
  asked: (body) => ({
    kind: 'search',
    model: '',
    instructions: '',
    lastUserText: textOf(body.query ?? ''),
    body,
  }),
  render: ({ script, step, position, body }: Turn) => {
    const limit = typeof body.limit === 'number' ? body.limit : 5;
    return json(200, {
      success: true,
      data: searchData(objectOf(step.search), limit),
      creditsUsed: 2,
      id: deterministicId('search', script.seed, position),
    });
  },
  breakOff: (answer) => answer,
  error: (refusal): Answer => {
    const details = refusal.param
      ? [{ code: 'invalid', path: [refusal.param], message: refusal.message }]
      : undefined;
    const shown = details ? 'Bad Request' : refusal.message;
    return json(refusal.status, { success: false, error: shown, ...(details && { details }) });
  },
};

/** The scripted results, unchanged but for their number and their positions. */
function searchData(scripted: JsonObject, limit: number): JsonObject {
  const cut = Object.entries(scripted).map(([source, results]) => [
    source,
    listOf(results)
      .slice(0, limit)
      .map((result, index) => ({ position: index + 1, ...objectOf(result) })),
  ]);
  return Object.fromEntries(cut);
}
