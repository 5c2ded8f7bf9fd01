/** A PostgreSQL that a process uses: one that is simply there, or one that must be kept attached. */

import { type Address, display, formatNodeUrl } from './address.ts';
import { type Connected, connect, type Route } from './connect.ts';
import type { DatabaseLocation } from './location.ts';
import { sslModeOf } from './tls.ts';

export interface Server {
  /** Who named it: `connectionString`, `PG_CONNECTION_URI`, `DBOS`, `PGHOST`, `PGSERVICE`, `localhost`, `embedded`. */
  readonly source: string;
  /** The same for messages, with the folder of the embedded server. */
  readonly origin: string;
  /** False when connections may fail because we let go of the server or lost it. */
  readonly attached: boolean;
  /** Opens a connection, attaching to the server first where that is needed. */
  connect(): Promise<Connected>;
  /** Lets go of the server; the connections are closed by then. */
  detach(): Promise<void>;
}

/** A server that somebody else runs. */
export function namedServer(address: Address, source: string): Server {
  return {
    source,
    origin: source,
    attached: true,
    connect: () => connect(address, { source }),
    detach: async () => {},
  };
}

export function locate(
  { address, ssl }: Route,
  { source, origin }: Server,
  version: string,
): DatabaseLocation {
  return {
    url: formatNodeUrl({ ...address, parameters: settled(address, ssl !== false) }),
    display: `PostgreSQL ${version} at ${display(address)} (${origin})`,
    source,
  };
}

/** pg cannot go from TLS to none or back: the URL names what has worked. */
function settled(address: Address, encrypted: boolean): Map<string, string> {
  const parameters = new Map(address.parameters);
  const mode = sslModeOf(address);
  if (encrypted) parameters.set('sslmode', mode === 'allow' ? 'prefer' : mode);
  else parameters.set('sslmode', 'disable');
  return parameters;
}
