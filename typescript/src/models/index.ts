/** Models: which provider a name means, Ollama as a provider, and what a call costs. */

export { type Price, type PricedTokens, price } from './cost.ts';
export { OllamaModelProvider, type OllamaModelProviderOptions } from './ollama.ts';
export {
  MultiModelProvider,
  MultiModelProviderMap,
  type MultiModelProviderOptions,
} from './routing.ts';
