/** Turns what the driver says about a failed connection into one message that a user can act on. */

import { DatabaseUnavailableError, TimestepError } from '../errors.ts';
import { type Address, endpoint } from './address.ts';
import { NoPassword } from './passwords.ts';
import { sslModeOf } from './tls.ts';

/** The connection is gone, as against a statement that the server refused. */
const DROPPED = new Set([
  '57P01', // the administrator ended it
  '57P02', // another backend crashed
  '57P03', // starting up or shutting down
  '08000',
  '08003',
  '08006',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
]);

/** A limit for something that may never answer. */
export class TimeLimit {
  readonly passed: Promise<never>;
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number) {
    const { promise, reject } = Promise.withResolvers<never>();
    const error = Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' });
    this.passed = promise;
    this.#timer = setTimeout(() => reject(error), milliseconds);
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}

/** The driver's or the server's code for an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The connection was lost or never made, as against a statement that the server refused. */
export function isDropped(error: unknown): boolean {
  return (
    DROPPED.has(codeOf(error) ?? '') || /Connection terminated|not queryable/.test(messageOf(error))
  );
}

/** The one error for a connection that could not be made. */
export function unavailable(
  error: unknown,
  { address, source, timeoutMs }: { address: Address; source: string; timeoutMs: number },
): TimestepError {
  if (error instanceof TimestepError) return error;
  return new DatabaseUnavailableError(
    `No connection to PostgreSQL (${source}): ${describe(error, address, timeoutMs)}.`,
    { cause: error },
  );
}

/** What happened, in words, without the password. */
export function describe(error: unknown, address: Address, timeoutMs: number): string {
  const place = endpoint(address);
  const { user, database } = address;
  if (error instanceof NoPassword)
    return `${place} asks user '${user}' for a password and none was given; put it into the URL, PGPASSWORD or ~/.pgpass`;
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `nothing listens at ${place}; start the server, or correct host and port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name ${address.host} is unknown; correct it, or check the name service`;
    case 'TIMEOUT':
    case 'ETIMEDOUT':
      return `${place} did not answer as PostgreSQL within ${timeoutMs / 1000} s; check that a PostgreSQL runs there`;
    case '28P01':
      return `${place} refused the password of user '${user}'; correct the user or the password`;
    case '28000':
      return `${place} refused user '${user}': ${messageOf(error)}`;
    case '3D000':
      return `the server at ${place} has no database '${database}'; create it with: createdb ${database}`;
    case '57P03':
      return `the server at ${place} is starting up or shutting down; try again`;
    case '53300':
      return `the server at ${place} has no free connection: ${messageOf(error)}`;
  }
  return `${place}: ${describeMessage(messageOf(error), address)}`;
}

function describeMessage(message: string, address: Address): string {
  if (/does not support SSL/.test(message))
    return `it has no TLS, which sslmode=${sslModeOf(address)} demands`;
  if (/SCRAM|SASL/.test(message)) return `it refused the password of user '${address.user}'`;
  if (/Connection terminated|establishing an SSL|invalid response|unknown message/i.test(message))
    return 'what answers there is not PostgreSQL, or closed the connection at once; correct host and port';
  return message;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
