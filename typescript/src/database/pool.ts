/** The connections of one database, shared by all of its users in this process. */

import pg from 'pg';
import { DatabaseUnavailableError } from '../errors.ts';
import { info } from '../logger.ts';
import { clientOptions, type Route } from './connect.ts';
import { isDropped, unavailable } from './failure.ts';
import type { DatabaseLocation } from './location.ts';
import { migrate } from './migrate.ts';
import { locate, type Server } from './server.ts';

const CONNECTIONS = 10;
/** How long a statement waits for a free connection, in milliseconds. */
const WAIT_MS = 30_000;

export class DatabasePool {
  readonly #server: Server;
  #pool: pg.Pool;
  #route: Route;
  #location: DatabaseLocation;
  #renewal: Promise<void> | undefined;

  /** Connects, brings the schema up to date, and opens the pool. */
  static async open(server: Server): Promise<DatabasePool> {
    const { route, location } = await prepare(server);
    info('%s', location.display);
    return new DatabasePool(server, route, location);
  }

  private constructor(server: Server, route: Route, location: DatabaseLocation) {
    this.#server = server;
    this.#route = route;
    this.#location = location;
    this.#pool = createPool(route);
  }

  get location(): DatabaseLocation {
    return this.#location;
  }

  /** Runs one statement; a repeatable one is sent again once when its connection is lost. */
  async run(text: string, values: readonly unknown[], repeatable: boolean): Promise<object[]> {
    if (!this.#server.attached) await this.#renew(this.#pool);
    const pool = this.#pool;
    const sent = { yet: false };
    try {
      return await send(pool, text, values, sent);
    } catch (error) {
      if (!isDropped(error)) throw this.#explained(error, sent.yet);
      if (sent.yet && !repeatable) throw this.#lost(error);
    }
    await this.#renew(pool);
    const again = { yet: false };
    try {
      return await send(this.#pool, text, values, again);
    } catch (error) {
      throw this.#explained(error, again.yet);
    }
  }

  async close(): Promise<void> {
    await this.#renewal;
    await this.#pool.end();
    await this.#server.detach();
  }

  /** A new pool in place of one whose server went away: its other connections are dead as well. */
  async #renew(failed: pg.Pool): Promise<void> {
    if (this.#pool !== failed) return;
    this.#renewal ??= this.#replace().finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  async #replace(): Promise<void> {
    const { route, location } = await prepare(this.#server);
    const old = this.#pool;
    this.#pool = createPool(route);
    this.#route = route;
    this.#location = location;
    // Statements that still run on it finish first; nobody needs to wait for that.
    void old.end();
  }

  #explained(error: unknown, sent: boolean): unknown {
    if (sent && isDropped(error)) return this.#lost(error);
    if (sent) return error;
    const { address } = this.#route;
    return unavailable(error, {
      address,
      source: this.#server.origin,
      timeoutMs: address.timeoutMs,
    });
  }

  #lost(error: unknown): DatabaseUnavailableError {
    return new DatabaseUnavailableError(
      `The connection to ${this.#location.display} was lost while a statement ran: it may or may not have taken effect. Check that the server runs, read the state again, then repeat what is missing.`,
      { cause: error },
    );
  }
}

async function prepare(server: Server): Promise<{ route: Route; location: DatabaseLocation }> {
  const { client, route } = await server.connect();
  try {
    const { rows } = await client.query(
      `select split_part(current_setting('server_version'), ' ', 1) as version`,
    );
    const location = locate(route, server, rows[0].version);
    await migrate(client, location.display);
    return { route, location };
  } finally {
    await client.end();
  }
}

function createPool(route: Route): pg.Pool {
  const pool = new pg.Pool({
    ...clientOptions(route),
    max: CONNECTIONS,
    allowExitOnIdle: true,
    connectionTimeoutMillis: WAIT_MS,
  });
  // A statement fails by itself when its connection is lost; the event that pg emits besides would
  // end the process if nobody listened.
  pool.on('connect', (client) => client.on('error', () => {}));
  // An idle connection that is lost has left the pool already; the next statement opens another.
  pool.on('error', (error) => info('idle connection lost: %s', error.message));
  return pool;
}

/** `sent.yet` tells whether the statement may have reached the server. */
async function send(
  pool: pg.Pool,
  text: string,
  values: readonly unknown[],
  sent: { yet: boolean },
): Promise<object[]> {
  const client = await pool.connect();
  sent.yet = true;
  let lost = false;
  try {
    return (await client.query(text, [...values])).rows;
  } catch (error) {
    lost = isDropped(error);
    throw error;
  } finally {
    client.release(lost);
  }
}
