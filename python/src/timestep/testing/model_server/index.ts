/** The scripted model server, for the tests of anything that talks to a model. */

export type { Fault } from './answer.ts';
export type { OutputItem } from './items.ts';
export type { JournalEntry } from './journal.ts';
export { ModelServer } from './modelServer.ts';
export type { ScriptOptions, Step, StepMatch } from './scripts.ts';
