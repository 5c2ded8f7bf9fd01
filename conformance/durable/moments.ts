/** The moments that a worker comes through; at one of them it may kill itself. moments.py is the same. */

import process from 'node:process';
// The package does not export its own database: a test looks at it from inside.
import { DatabasePool } from '../../typescript/dist/database/pool.js';

const QUIET = ['register_executor', 'keep_executor_alive', 'adopt_runs', 'expire_approvals'];

export class Moments {
  readonly seen: string[] = [];
  last = '';

  passBy(moment: string): void {
    this.seen.push(moment);
    if (moment === this.last) process.kill(process.pid, 'SIGKILL');
  }

  /** Lets every statement that changes something be a moment before and a moment after. */
  watchDatabase(): void {
    const namesOf = (text: string, values: readonly unknown[]) => this.#namesOf(text, values);
    const passBy = (moment: string) => this.passBy(moment);
    const run = DatabasePool.prototype.run;
    DatabasePool.prototype.run = async function (text, values, repeatable) {
      const names = namesOf(text, values);
      for (const name of names) passBy(`before ${name}`);
      const rows = await run.call(this, text, values, repeatable);
      for (const name of names) passBy(`after ${name}`);
      return rows;
    };
  }

  /** What a statement changes: a name for each step that it writes. */
  #namesOf(text: string, values: readonly unknown[]): string[] {
    const name = /timestep\.([a-z_]+)_v\d+\(/.exec(text)?.[1];
    if (name === undefined || QUIET.includes(name)) return [];
    if (name === 'record_step' || name === 'begin_step') {
      return [values[2]].flat().map((key) => `${name} ${key}`);
    }
    if (name === 'append_run_items') return [`${name} ${values[3]}:${values[4]}`];
    const times = this.seen.filter((seen) => seen.startsWith(`before ${name} `)).length;
    return [`${name} #${times + 1}`];
  }
}
