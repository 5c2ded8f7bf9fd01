/** libpq's `sslmode`, in terms of Node's TLS options. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';
import type { Address, SslMode } from './address.ts';

/** What to try, in turn: TLS options, or false for none. A missing sslmode means prefer. */
export function encryptions(address: Address): (ConnectionOptions | false)[] {
  if (address.host.startsWith('/')) return [false];
  const mode = address.sslMode ?? 'prefer';
  if (mode === 'disable') return [false];
  const files = certificates(address, mode);
  const unverified = { ...files, rejectUnauthorized: false };
  const anyName = { ...files, checkServerIdentity: () => undefined };
  if (mode === 'allow') return [false, unverified];
  if (mode === 'prefer') return [unverified, false];
  // A root certificate makes require as strict as verify-ca, as in libpq.
  if (mode === 'require') return [files.ca ? anyName : unverified];
  return [mode === 'verify-ca' ? anyName : files];
}

function certificates(address: Address, mode: SslMode): ConnectionOptions {
  const read = (parameter: string, variable: string, usual: string) =>
    readCertificate(address.parameters[parameter] ?? text(variable), usual);
  const ca = read('sslrootcert', 'PGSSLROOTCERT', 'root.crt');
  const cert = read('sslcert', 'PGSSLCERT', 'postgresql.crt');
  const key = read('sslkey', 'PGSSLKEY', 'postgresql.key');
  if (mode === 'verify-ca' && !ca)
    throw new ConfigurationError(
      'sslmode=verify-ca needs the authority: set sslrootcert to its certificate file.',
    );
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function readCertificate(named: string | undefined, usual: string): string | undefined {
  if (named === 'system') return undefined;
  try {
    return readFileSync(named ?? join(homedir(), '.postgresql', usual), 'utf8');
  } catch (error) {
    if (!named) return undefined;
    throw new ConfigurationError(
      `The certificate file ${named} cannot be read; correct its path.`,
      { cause: error },
    );
  }
}
