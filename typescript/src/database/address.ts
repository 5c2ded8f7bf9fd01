/** Where a PostgreSQL is and how to log in: the one form that every source is brought into. */

import { userInfo } from 'node:os';
import { text } from '../settings.ts';

/** libpq's `sslmode`. */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface Address {
  readonly user: string;
  readonly password: string | undefined;
  /** A name, an IP address without brackets, or the folder of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslMode: SslMode | undefined;
  readonly connectTimeoutMs: number | undefined;
  /** Every other parameter of the URL, passed on as it is. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** The account this process runs under, which libpq takes as the default user. */
export function operatingSystemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return text('USER') ?? text('USERNAME') ?? 'postgres';
  }
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function endpoint({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `host:port/database`: all that may be shown of an address. */
export function shown(address: Address): string {
  return `${endpoint(address)}/${address.database}`;
}
