/**
 * Reads a connection URL as libpq does, so that one string means the same in both languages.
 *
 * No message repeats the URL: it may hold a password, above all where it is malformed.
 */

import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';
import { type Address, endpoint, operatingSystemUser, type SslMode } from './address.ts';

const EXPECTED = 'postgresql://user:password@host:5432/database';
const SCHEME = /^postgres(?:ql)?(?:\+\w+)?:\/\//i;
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** The address that a URL names. `source` says in messages where the URL came from. */
export function readUri(uri: string, source: string): Address {
  try {
    return addressOf(parse(uri.trim()));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new ConfigurationError(
      `${source} cannot be used: ${error.message}. Expected one URL such as ${EXPECTED}.`,
    );
  }
}

/** The URL of an address, password included: for drivers, never for messages. */
export function writeUri(address: Address, sslMode: SslMode | undefined = address.sslMode): string {
  const query = new URLSearchParams(address.parameters);
  const socket = address.host.startsWith('/');
  if (socket) query.set('host', address.host);
  if (sslMode) query.set('sslmode', sslMode);
  // Without it pg takes prefer, require and verify-ca for verify-full.
  if (sslMode && sslMode !== 'disable') query.set('uselibpqcompat', 'true');
  const password = address.password === undefined ? '' : `:${encodeURIComponent(address.password)}`;
  const place = socket ? `localhost:${address.port}` : endpoint(address);
  const path = `${place}/${encodeURIComponent(address.database)}`;
  const search = query.size > 0 ? `?${query}` : '';
  return `postgresql://${encodeURIComponent(address.user)}${password}@${path}${search}`;
}

/** Reads libpq's `sslmode`; undefined when it is not given. */
export function readSslMode(value: string | undefined): SslMode | undefined {
  if (value === undefined || SSL_MODES.includes(value)) return value as SslMode | undefined;
  throw new Refusal(`its sslmode is none of ${SSL_MODES.join(', ')}`);
}

/** Reads libpq's `connect_timeout`, whole seconds; 0 and below mean no limit of its own. */
export function readConnectTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^-?\d+$/.test(value)) throw new Refusal('its connect_timeout is not a number of seconds');
  const seconds = Number(value);
  // libpq never waits for less than two seconds.
  return seconds > 0 ? Math.max(seconds, 2) * 1000 : undefined;
}

/** What is wrong with the value, without the value. */
export class Refusal extends Error {}

function parse(uri: string): URL {
  if (!SCHEME.test(uri)) throw new Refusal(formOf(uri));
  const rest = uri.replace(SCHEME, '');
  const authority = rest.split(/[/?#]/, 1)[0] ?? '';
  const place = authority.slice(authority.lastIndexOf('@') + 1);
  if (place.includes(',')) throw new Refusal('it names several hosts');
  if (rest.includes('#') || authority.split('@').length > 2)
    throw new Refusal('it has a # or a second @; in a password write them as %23 and %40');
  const url = URL.parse(`postgresql://${rest}`);
  if (!url)
    throw new Refusal('it is not a valid URL; in a password write @ / # : as %40 %2F %23 %3A');
  return url;
}

function formOf(uri: string): string {
  if (/^\w+\s*=/.test(uri)) return 'it is a list of key=value pairs';
  if (/^[a-z][\w+.-]*:\/\//i.test(uri)) return 'its scheme is not postgresql';
  return 'it is not a URL';
}

function addressOf(url: URL): Address {
  const query = new Map(url.searchParams);
  const take = (name: string) => {
    const value = query.get(name);
    query.delete(name);
    return value || undefined;
  };
  const user = (take('user') ?? decode(url.username)) || text('PGUSER') || operatingSystemUser();
  const host = take('host') ?? decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
  if (!host) throw new Refusal('it names no host');
  if (host.includes(',')) throw new Refusal('it names several hosts');
  take('uselibpqcompat');
  return {
    user,
    password: (take('password') ?? decode(url.password)) || undefined,
    host,
    port: readPort(take('port') ?? (url.port || text('PGPORT'))),
    database: (take('dbname') ?? decode(url.pathname.slice(1))) || text('PGDATABASE') || user,
    sslMode: readSslMode(take('sslmode') ?? text('PGSSLMODE')),
    connectTimeoutMs: readConnectTimeout(take('connect_timeout') ?? text('PGCONNECT_TIMEOUT')),
    parameters: Object.fromEntries(query),
  };
}

/** Reads a port; 5432 when none is given. */
export function readPort(value: string | undefined): number {
  const port = Number(value ?? 5432);
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new Refusal('its port is not a number from 1 to 65535');
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal('it has a % that starts no escape; write it as %25');
  }
}
