/**
 * One form for every way to write a PostgreSQL address, read alike by every driver.
 *
 * The rules are the rows of spec/vectors/connection_uris. No message repeats the address: what
 * looks like a port or a parameter may be half of a password.
 */

import { ConfigurationError } from '../errors.ts';
import { databaseUser, defaultConnectTimeout, defaultPort, text } from '../settings.ts';

const EXPECTED = 'expected postgresql://user:password@host:port/database';
const ESCAPES =
  'Inside a user or password write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25.';
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const PLACES = new Map([
  ['user', 'before the @'],
  ['password', 'before the @'],
  ['host', 'after the @'],
  ['hostaddr', 'after the @'],
  ['port', 'after the @'],
  ['dbname', 'after the /'],
]);
const PARAMETERS = new Set(
  `application_name channel_binding client_encoding connect_timeout fallback_application_name
   gssencmode keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname options
   require_auth sslcert sslcrl sslkey sslmode sslnegotiation sslpassword sslrootcert sslsni
   target_session_attrs tcp_user_timeout`.split(/\s+/),
);

/** A PostgreSQL server, a login and a database. */
export interface Address {
  readonly user: string;
  readonly password?: string | undefined;
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** libpq's connection parameters, such as `sslmode`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The longest wait for a connection, in milliseconds. */
  readonly timeoutMs: number;
}

/** The address that a person wrote; raises ConfigurationError when it is none of one server. */
export function parseAddress(written: string): Address {
  const rest = afterScheme(written.trim());
  if (rest.includes('#')) throw refused(`a # in it. ${ESCAPES}`);
  const [, authority = '', path = '', query = ''] =
    /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  checkAtSigns(authority, path + query);
  const parameters = parseParameters(query);
  const at = authority.lastIndexOf('@');
  const [, name = '', password = ''] =
    /^([^:]*):?(.*)$/s.exec(authority.slice(0, Math.max(at, 0))) ?? [];
  const user = decoded(name) || databaseUser();
  return {
    user,
    password: decoded(password) || undefined,
    ...parseHostAndPort(authority.slice(at + 1)),
    database: checkedDatabase(decoded(path) || text('PGDATABASE') || user),
    timeoutMs: takeTimeout(parameters),
    parameters,
  };
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function endpoint({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** `host:port/database`: all of an address that may be shown. */
export function display(address: Address): string {
  return `${endpoint(address)}/${address.database}`;
}

/** The address as text, password included: for drivers, never for messages. */
export function formatUrl(address: Address): string {
  const { user, password, database, parameters } = address;
  const secret = password ? `:${encoded(password)}` : '';
  const query = [...parameters].map(([name, value]) => `${name}=${encoded(value)}`).join('&');
  const path = `${endpoint(address)}/${encoded(database)}${query && `?${query}`}`;
  return `postgresql://${encoded(user)}${secret}@${path}`;
}

/** The URL in which pg means by `sslmode` what libpq means. */
export function formatNodeUrl(address: Address): string {
  if (!address.parameters.has('sslmode')) return formatUrl(address);
  const parameters = new Map(address.parameters).set('uselibpqcompat', 'true');
  // pg would look for a file of that name; Node trusts the machine's certificates by itself.
  if (parameters.get('sslrootcert') === 'system') parameters.delete('sslrootcert');
  return formatUrl({ ...address, parameters });
}

function afterScheme(written: string): string {
  if (!written) throw new ConfigurationError(`The database address is empty; ${EXPECTED}.`);
  const [, scheme, rest] = /^([A-Za-z][\w+.:-]*):\/\/(.*)$/s.exec(written) ?? [];
  if (scheme === undefined || rest === undefined)
    throw refused(/^\w+\s*=/.test(written) ? "libpq's key=value form" : 'no scheme');
  if (!/^postgres(ql)?(\+|$)/i.test(scheme)) throw refused(`the scheme ${scheme.toLowerCase()}`);
  return rest;
}

function checkAtSigns(authority: string, rest: string): void {
  const cutShort = rest.includes('@') && !authority.includes('@');
  if (cutShort || authority.split('@').length > 2)
    throw refused(`an @ or a / too many. ${ESCAPES}`);
}

function parseHostAndPort(place: string): { host: string; port: number } {
  if (place.includes(',')) throw refused('several hosts; Timestep connects to one');
  if (/%|^\//.test(place))
    throw refused('a unix socket or an escaped host; Timestep connects over TCP');
  if (place.startsWith('[')) {
    const [, host, port] = /^\[([\da-f:.]+)\](?::(.*))?$/is.exec(place) ?? [];
    if (!host) throw refused('a wrong IPv6 address; write it as [::1] or [::1]:5432');
    return { host: host.toLowerCase(), port: parsePort(port) };
  }
  const [host = '', port, more] = place.split(':');
  if (more !== undefined)
    throw refused('several colons in the host; write an IPv6 address as [::1]');
  if (!host) throw refused('no host (a unix socket cannot be used; try localhost)');
  if (!/^[\w.-]+$/.test(host)) throw refused('a host with characters that no host name has');
  return { host: host.toLowerCase(), port: parsePort(port) };
}

function parsePort(written: string | undefined): number {
  if (!written) return defaultPort();
  const port = /^\d+$/.test(written) ? Number(written) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw refused('a port that is not a number from 1 to 65535');
}

function parseParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split('&').filter(Boolean)) {
    const [, name = '', equals, value = ''] = /^([^=]*)(=?)(.*)$/s.exec(pair) ?? [];
    if (name === 'uselibpqcompat') continue;
    checkParameter(name, value);
    if (!equals) throw refused(`the parameter ${name} without a value`);
    parameters.set(name, decoded(value));
  }
  checkSslMode(parameters);
  return parameters;
}

function checkParameter(name: string, value: string): void {
  if (name === 'host' && decoded(value).startsWith('/'))
    throw refused('a unix socket; Timestep connects over TCP');
  const place = PLACES.get(name);
  if (place) throw refused(`the parameter ${name}; it belongs ${place}`);
  if (PARAMETERS.has(name)) return;
  const shown = /^[A-Za-z_]{1,40}$/.test(name) ? `the parameter ${name}` : 'a name';
  throw refused(`${shown} that PostgreSQL's client library does not know`);
}

function checkSslMode(parameters: Map<string, string>): void {
  const mode = parameters.get('sslmode');
  if (mode === 'no-verify') parameters.set('sslmode', 'require');
  else if (mode !== undefined && !SSL_MODES.includes(mode))
    throw refused(`an unknown sslmode; expected one of ${SSL_MODES.join(', ')}`);
}

function takeTimeout(parameters: Map<string, string>): number {
  const written = parameters.get('connect_timeout');
  parameters.delete('connect_timeout');
  if (written === undefined) return defaultConnectTimeout() * 1000;
  const seconds = /^\d+$/.test(written) ? Number(written) : 0;
  if (seconds >= 1 && seconds <= 86400) return seconds * 1000;
  throw refused('a connect_timeout that is not a number of seconds from 1 to 86400');
}

function checkedDatabase(database: string): string {
  const found = new Set(database.match(/[;/?:@&=+$,#]/g));
  if (found.size === 0) return database;
  throw refused(`a database name with ${[...found].join(' ')}, which drivers read differently`);
}

function decoded(escaped: string): string {
  if (/%(?![\dA-Fa-f]{2})/.test(escaped)) throw refused(`a % that starts no escape. ${ESCAPES}`);
  if (/%00|\0/.test(escaped)) throw refused('a NUL (%00), which PostgreSQL cannot hold');
  try {
    return decodeURIComponent(escaped);
  } catch {
    throw refused('escapes that are not UTF-8');
  }
}

function encoded(text: string): string {
  const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, percent);
}

function refused(found: string): ConfigurationError {
  return new ConfigurationError(`The database address has ${found}; ${EXPECTED}.`);
}
