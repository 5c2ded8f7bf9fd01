/** The tool with which an agent searches the web. */

import { ModelBehaviorError, tool } from '@openai/agents';
import { search } from './firecrawl.ts';
import { BadQuery, readQuery } from './searchQuery.ts';
import definition from './web_search.schema.json' with { type: 'json' };

/**
 * Search the web through Firecrawl.
 *
 * Needs FIRECRAWL_API_KEY, or FIRECRAWL_API_URL for a server of one's own. The model gets titles,
 * addresses and descriptions, marked as untrusted; when the service is out of order it is told so.
 * A missing or refused key is a UserError and ends the run. To have every search approved, use
 * `{ ...webSearch, needsApproval: async () => true }`.
 */
export const webSearch = tool({
  name: definition.name,
  description: definition.description,
  parameters: definition.parameters as never,
  strict: true,
  execute: (given: unknown, _context, details) =>
    search(readQuery(given), { signal: details?.signal }),
  errorFunction: (_context, error) => {
    if (error instanceof BadQuery) return `Nothing was searched: ${error.message}.`;
    if (error instanceof ModelBehaviorError) {
      return 'Nothing was searched: the arguments are no JSON.';
    }
    throw error;
  },
});
