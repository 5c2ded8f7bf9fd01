/** A PostgreSQL that a process uses: one that is simply there, or one that must be kept attached. */

import type { Address, SslMode } from './address.ts';
import { shown } from './address.ts';
import { type Connected, connect, type Route } from './connect.ts';
import { writeUri } from './uri.ts';

export interface Server {
  /** Who named it, for messages: `PG_CONNECTION_URI`, `localhost:5432`, `embedded, …`. */
  readonly source: string;
  /** Opens a connection, attaching to the server first where that is needed. */
  connect(): Promise<Connected>;
  /** False when connections may fail because we let go of the server or lost it. */
  readonly attached: boolean;
  /** Lets go of the server; connections are closed by then. */
  detach(): Promise<void>;
}

/** A server that is run by somebody else. */
export function namedServer(address: Address, source: string): Server {
  return {
    source,
    attached: true,
    connect: () => connect(address, { source }),
    detach: async () => {},
  };
}

/** What a caller may know about the database in use. */
export interface DatabaseLocation {
  /** The URL, password included, in a form that pg and DBOS take: never show it. */
  readonly url: string;
  /** The server's version, place and source, fit for messages and logs. */
  readonly display: string;
  /** Who named the database, such as `PG_CONNECTION_URI`. */
  readonly source: string;
}

export function locate({
  route,
  version,
  source,
}: {
  route: Route;
  version: string;
  source: string;
}): DatabaseLocation {
  return {
    url: writeUri(route.address, settledSslMode(route)),
    display: `PostgreSQL ${version} at ${shown(route.address)} (${source})`,
    source,
  };
}

/** pg cannot fall back from TLS to none or the reverse: the URL says what worked. */
function settledSslMode({ address: { sslMode }, ssl }: Route): SslMode | undefined {
  if (ssl) return sslMode === undefined || sslMode === 'allow' ? 'prefer' : sslMode;
  return sslMode && 'disable';
}
