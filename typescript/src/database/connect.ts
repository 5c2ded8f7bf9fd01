/** Opens one connection, within a time limit and with libpq's meaning of `sslmode`. */

import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { Address } from './address.ts';
import { codeOf, TimeLimit, unavailable } from './failure.ts';
import { passwordFor } from './passwords.ts';
import { encryptions } from './tls.ts';
import { types } from './values.ts';

/** What a pool needs to open the same kind of connection again. */
export interface Route {
  readonly address: Address;
  readonly ssl: ConnectionOptions | false;
}

export interface Connected {
  readonly client: pg.Client;
  readonly route: Route;
}

/** Connects, or raises DatabaseUnavailableError. `source` says in messages who named the server. */
export async function connect(
  address: Address,
  { source, timeoutMs = address.timeoutMs }: { source: string; timeoutMs?: number },
): Promise<Connected> {
  try {
    return await tryConnect(address, timeoutMs);
  } catch (error) {
    throw unavailable(error, { address, source, timeoutMs });
  }
}

/** Connects within the limit, TLS retry included, raising whatever the driver raises. */
export async function tryConnect(address: Address, timeoutMs: number): Promise<Connected> {
  const deadline = Date.now() + timeoutMs;
  const [first = false, second] = encryptions(address);
  try {
    return await open({ address, ssl: first }, timeoutMs);
  } catch (error) {
    if (second === undefined || !dependsOnTls(error)) throw error;
    return await open({ address, ssl: second }, Math.max(deadline - Date.now(), 1));
  }
}

/** The driver's options for a route. */
export function clientOptions({ address, ssl }: Route): pg.ClientConfig {
  const { host, port, user, database, parameters } = address;
  return {
    ...passedOn(parameters),
    host,
    port,
    user,
    database,
    ssl,
    // A function, so that nothing shows it and pg does not look for one by itself.
    password: () => passwordFor(address),
    keepAlive: true,
    types,
  };
}

/** The parameters that pg knows by libpq's name; the others are about TLS or have no counterpart. */
function passedOn(parameters: ReadonlyMap<string, string>): pg.ClientConfig {
  const {
    options,
    application_name,
    fallback_application_name = 'timestep',
  } = Object.fromEntries(parameters);
  const binding = parameters.get('channel_binding');
  return {
    fallback_application_name,
    ...(options && { options }),
    ...(application_name && { application_name }),
    ...(binding && { enableChannelBinding: binding !== 'disable' }),
    ...(parameters.get('sslnegotiation') === 'direct' && { sslnegotiation: 'direct' }),
  };
}

async function open(route: Route, timeoutMs: number): Promise<Connected> {
  const client = new pg.Client(clientOptions(route));
  // A connection may be lost between two statements; the next one then fails with the reason.
  client.on('error', () => {});
  const limit = new TimeLimit(timeoutMs);
  try {
    await Promise.race([client.connect(), limit.passed]);
    return { client, route };
  } catch (error) {
    destroy(client);
    throw error;
  } finally {
    limit.cancel();
  }
}

/** Drops a connection that may hang: end() would wait for an answer. */
export function destroy(client: pg.Client): void {
  const { connection } = client as unknown as { connection: pg.Connection };
  connection.stream.destroy();
}

/** No TLS on the other side, a certificate that does not fit, or a login rule that asks for the other. */
function dependsOnTls(error: unknown): boolean {
  if (codeOf(error) === '28000') return true;
  if (codeOf(error)?.match(/^(ERR_TLS|ERR_SSL|EPROTO|DEPTH_ZERO|CERT_|SELF_SIGNED|UNABLE_TO)/))
    return true;
  return error instanceof Error && /\bSSL\b/.test(error.message);
}
