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
    const nameOf = (text: string, values: readonly unknown[]) => this.#nameOf(text, values);
    const passBy = (moment: string) => this.passBy(moment);
    const run = DatabasePool.prototype.run;
    DatabasePool.prototype.run = async function (text, values, repeatable) {
      const name = nameOf(text, values);
      if (name) passBy(`before ${name}`);
      const rows = await run.call(this, text, values, repeatable);
      if (name) passBy(`after ${name}`);
      return rows;
    };
  }

  #nameOf(text: string, values: readonly unknown[]): string | undefined {
    const name = /timestep\.([a-z_]+)_v\d+\(/.exec(text)?.[1];
    if (name === undefined || QUIET.includes(name)) return undefined;
    if (name === 'record_step' || name === 'begin_step') return `${name} ${values[2]}`;
    if (name === 'append_run_items') return `${name} ${values[3]}:${values[4]}`;
    const times = this.seen.filter((seen) => seen.startsWith(`before ${name} `)).length;
    return `${name} #${times + 1}`;
  }
}
