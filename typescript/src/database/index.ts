export { type Database, openDatabase } from './database.ts';
export type { DatabaseLocation } from './location.ts';
