/** What a model call costs, from the price table that genai-prices carries. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { calcPrice } from '@pydantic/genai-prices';

/** Models without a price: a search in vain goes through the whole table. */
const unknown = new Set<string>();

/** The tokens of one call. */
export type PricedTokens = {
  /** All tokens read, those from the cache included. */
  inputTokens: number;
  /** All tokens written, reasoning included. */
  outputTokens: number;
  /** How many of the tokens read came from the cache (0). */
  cachedTokens?: number | undefined;
  /** Whether the model ran on a host of one's own, which costs nothing (false). */
  local?: boolean | undefined;
};

/** The price of a call and where it comes from. */
export type Price = {
  /** US dollars with nine places, or null where no price is known. */
  amount: string | null;
  /** The price table, for example "genai-prices 0.1.8". */
  table: string;
};

/**
 * What a call costs. A price that is not known is null and never an error.
 *
 * @param provider - "openai" or "ollama".
 * @param model - The model's name as the provider knows it, for example "gpt-4.1".
 */
export function price(provider: string, model: string, tokens: PricedTokens): Price {
  const table = `genai-prices ${installedVersion()}`;
  if (tokens.local) return { amount: (0).toFixed(9), table };
  const usage = {
    input_tokens: tokens.inputTokens,
    output_tokens: tokens.outputTokens,
    cache_read_tokens: tokens.cachedTokens ?? 0,
  };
  const name = `${provider}/${model}`;
  if (unknown.has(name) || !isPossible(usage)) return { amount: null, table };
  const found = calcPrice(usage, model, { providerId: provider });
  if (!found) unknown.add(name);
  return { amount: found ? found.total_price.toFixed(9) : null, table };
}

/** The price table refuses counts that no call can have. */
function isPossible(usage: { input_tokens: number; cache_read_tokens: number }): boolean {
  const counts = Object.values(usage);
  return (
    counts.every((count) => Number.isFinite(count) && count >= 0) &&
    usage.cache_read_tokens <= usage.input_tokens
  );
}

let version: string | undefined;

/** The package tells its version only in its package.json, which it does not export. */
function installedVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  const entry = createRequire(import.meta.url).resolve('@pydantic/genai-prices');
  const manifest = JSON.parse(readFileSync(join(entry, '../../package.json'), 'utf8'));
  return manifest.version;
}
