/** Tools that agents of both languages know by the same name and arguments. */

export { webSearch } from './webSearch.ts';
