/** Decides which PostgreSQL is used. */

import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';
import { namedServer, type Server } from './server.ts';
import { readUri, writeUri } from './uri.ts';

export interface Choice {
  /** The same for the same server: who asks for it again shares the pool. */
  readonly key: string;
  open(): Promise<Server>;
}

export function chooseServer(connectionString?: string): Choice {
  const named: [string | undefined, string][] = [
    [connectionString, 'connectionString'],
    [text('PG_CONNECTION_URI'), 'PG_CONNECTION_URI'],
  ];
  for (const [uri, source] of named) {
    if (uri === undefined) continue;
    const address = readUri(uri, source);
    return { key: writeUri(address), open: async () => namedServer(address, source) };
  }
  throw new ConfigurationError('No database: set PG_CONNECTION_URI.');
}
