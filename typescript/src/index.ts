/** Agents that outlive their process and their language. */

export * from './errors.ts';
export { MultiModelProvider, MultiModelProviderMap, OllamaModelProvider } from './models/index.ts';
export {
  defaultResultProcessor,
  type ResultProcessor,
  type RunInput,
  type RunOptions,
  runAgent,
} from './runner.ts';
export { RunStateStore, type RunStateStoreOptions } from './runState/store.ts';
export { Session, type SessionOptions } from './session.ts';
export { webSearch } from './tools/index.ts';
