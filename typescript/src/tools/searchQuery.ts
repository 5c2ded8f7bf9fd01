/** What the model asks of a web search, as the search service is asked. */

const RESULTS = new Map<unknown, number>([
  ['low', 5],
  ['medium', 10],
  ['high', 20],
]);
const LONGEST_QUERY = 500;
const DOMAIN = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/;

/** The arguments cannot be searched for; the message tells the model why. */
export class BadQuery extends Error {}

/** One search. */
export type SearchQuery = {
  query: string;
  limit: number;
  location: string | undefined;
  domains: string[];
};

/**
 * The search that the arguments of a tool call describe.
 *
 * @throws BadQuery when they do not fit the tool's schema, which not every provider enforces.
 */
export function readQuery(given: unknown): SearchQuery {
  if (!isObject(given)) throw new BadQuery('the arguments are no JSON object');
  const limit = RESULTS.get(given.search_context_size || 'medium');
  if (!limit) throw new BadQuery('search_context_size is none of low, medium, high');
  return {
    query: readText(given.query),
    limit,
    location: readLocation(given.user_location),
    domains: readDomains(given.filters),
  };
}

function readText(given: unknown): string {
  const query = typeof given === 'string' ? given.trim() : '';
  if (!query) throw new BadQuery('query is no text or is empty');
  if (Array.from(query).length > LONGEST_QUERY) {
    throw new BadQuery(`query is longer than ${LONGEST_QUERY} characters`);
  }
  return query;
}

function readLocation(given: unknown): string | undefined {
  const location = given ?? '';
  if (typeof location !== 'string') {
    throw new BadQuery('user_location is neither a text nor null');
  }
  return location.trim() || undefined;
}

function readDomains(filters: unknown): string[] {
  if (filters === undefined || filters === null) return [];
  if (!isObject(filters)) throw new BadQuery('filters is neither an object nor null');
  const allowed = filters.allowed_domains ?? [];
  if (!Array.isArray(allowed)) throw new BadQuery('allowed_domains is neither a list nor null');
  return allowed.map(readDomain);
}

function readDomain(given: unknown): string {
  const domain = typeof given === 'string' ? given.trim().toLowerCase() : '';
  if (DOMAIN.test(domain)) return domain;
  throw new BadQuery('allowed_domains holds an entry that is no domain such as example.com');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
