/** The search service: one plain request to Firecrawl's `/v2/search`. */

import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '@openai/agents';
import { warn } from '../logger.ts';
import { text } from '../settings.ts';
import type { SearchQuery } from './searchQuery.ts';
import { resultsText, visible } from './searchResults.ts';

const SERVICE = 'https://api.firecrawl.dev';
/** Milliseconds for the whole search, a second try included. */
const PATIENCE_MS = 30_000;
/** The service gives up first, so that it can say why. */
const SERVER_PATIENCE_MS = 25_000;
const TRY_AGAIN = [429, 502, 503];
/** Seconds; a service that asks for more is not waited for. */
const LONGEST_PAUSE = 5;
/** Seconds, where the service does not say how long. */
const PAUSE = 1;
const REASONS: Record<number, string> = {
  402: 'the search service is out of credits',
  408: 'the search took too long',
  429: 'there were too many searches; try again later',
};

type SearchOptions = { patienceMs?: number | undefined; signal?: AbortSignal | undefined };

/**
 * The results as text for the model, or why there are none.
 *
 * @param options - `patienceMs`: milliseconds until the search is given up (30,000); `signal`
 *   ends it with the run.
 * @throws UserError when there is no key, or the service refuses it: the model can do nothing
 *   about it.
 */
export async function search(query: SearchQuery, options: SearchOptions = {}): Promise<string> {
  const { patienceMs = PATIENCE_MS, signal: ended } = options;
  const { address, headers } = service();
  const late = AbortSignal.timeout(patienceMs);
  const signal = ended ? AbortSignal.any([ended, late]) : late;
  const request = { method: 'POST', headers, body: JSON.stringify(bodyOf(query)), signal };
  try {
    const response = await ask(address, request);
    if (response.status === 401) {
      throw new UserError('Firecrawl refused the key (401): check FIRECRAWL_API_KEY.');
    }
    return answer(response.status, await json(response), query);
  } catch (error) {
    if (error instanceof UserError) throw error;
    ended?.throwIfAborted();
    if (late.aborted) {
      return unavailable(`the search service did not answer in ${patienceMs / 1000} seconds`);
    }
    if (error instanceof TypeError) {
      return unavailable('the search service cannot be reached', String(error.cause ?? error));
    }
    throw error;
  }
}

function service(): { address: string; headers: Record<string, string> } {
  const address = text('FIRECRAWL_API_URL');
  const key = text('FIRECRAWL_API_KEY');
  if (!address && !key) {
    throw new UserError(
      'web_search needs a key of Firecrawl and there is none: set FIRECRAWL_API_KEY, or ' +
        'FIRECRAWL_API_URL for a server of your own.',
    );
  }
  if (address && !/^https?:\/\//.test(address)) {
    throw new UserError(
      "FIRECRAWL_API_URL is no http or https address; write it as in 'http://localhost:3002'.",
    );
  }
  return {
    address: `${(address ?? SERVICE).replace(/\/+$/, '')}/v2/search`,
    headers: {
      'Content-Type': 'application/json',
      ...(key ? { Authorization: `Bearer ${key}` } : {}),
    },
  };
}

function bodyOf({ query, limit, location, domains }: SearchQuery): Record<string, unknown> {
  return {
    query,
    limit,
    ...(location ? { location } : {}),
    ...(domains.length ? { includeDomains: domains } : {}),
    timeout: SERVER_PATIENCE_MS,
  };
}

async function ask(address: string, request: RequestInit): Promise<Response> {
  const response = await fetch(address, request);
  const pause = pauseOf(response);
  if (pause === undefined) return response;
  await response.body?.cancel();
  await sleep(pause * 1000, undefined, request.signal ? { signal: request.signal } : {});
  return fetch(address, request);
}

/** How many seconds to wait before the one second try; undefined for no such try. */
function pauseOf({ status, headers }: Response): number | undefined {
  if (!TRY_AGAIN.includes(status)) return undefined;
  const asked = headers.get('retry-after') ?? '';
  const pause = /^\d+$/.test(asked) ? Number(asked) : PAUSE;
  return pause <= LONGEST_PAUSE ? pause : undefined;
}

type Body = { success?: unknown; error?: unknown; data?: { web?: unknown } | null };

async function json(response: Response): Promise<Body> {
  try {
    return Object(JSON.parse(await response.text()));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function answer(status: number, body: Body, query: SearchQuery): string {
  if (status !== 200 || body.success !== true) {
    const detail = `status ${status}: ${visible(body.error, 200)}`;
    return unavailable(REASONS[status] ?? 'the search service failed', detail);
  }
  const found = body.data?.web;
  return resultsText(Array.isArray(found) ? found : [], query.domains, query.limit);
}

function unavailable(reason: string, detail = ''): string {
  warn(`Web search is unavailable: ${reason}. ${detail}`.trim(), 'TIMESTEP_WEB_SEARCH');
  return `Web search is unavailable: ${reason}.`;
}
