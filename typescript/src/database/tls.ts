/** libpq's `sslmode`, in terms of Node's TLS options. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';
import type { Address } from './address.ts';

/** The mode in force; libpq's default is prefer. */
export function sslModeOf({ parameters }: Address): string {
  return parameters.get('sslmode') ?? text('PGSSLMODE') ?? 'prefer';
}

/** What to try, in turn: TLS options, or false for none. */
export function encryptions(address: Address): (ConnectionOptions | false)[] {
  const mode = sslModeOf(address);
  if (mode === 'disable') return [false];
  const files = certificates(address);
  const unverified = { ...files, rejectUnauthorized: false };
  const anyName = { ...files, checkServerIdentity: () => undefined };
  switch (mode) {
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    case 'require':
      // A root certificate makes require as strict as verify-ca, as in libpq.
      return [files.ca ? anyName : unverified];
    case 'verify-ca':
      if (files.ca) return [anyName];
      throw new ConfigurationError(
        'sslmode=verify-ca needs the authority: set sslrootcert to its certificate file.',
      );
    case 'verify-full':
      return [files];
  }
  throw new ConfigurationError(
    `PGSSLMODE is '${mode}'; expected disable, allow, prefer, require, verify-ca or verify-full.`,
  );
}

function certificates({ parameters }: Address): ConnectionOptions {
  const find = (parameter: string, variable: string, usual: string) =>
    readCertificate(parameters.get(parameter) ?? text(variable), usual);
  const ca = find('sslrootcert', 'PGSSLROOTCERT', 'root.crt');
  const cert = find('sslcert', 'PGSSLCERT', 'postgresql.crt');
  const key = find('sslkey', 'PGSSLKEY', 'postgresql.key');
  const passphrase = parameters.get('sslpassword');
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(passphrase && { passphrase }),
  };
}

/** The named file, which must be there, or libpq's usual one, which need not. */
function readCertificate(named: string | undefined, usual: string): string | undefined {
  if (named === 'system') return undefined;
  try {
    return readFileSync(named ?? join(homedir(), '.postgresql', usual), 'utf8');
  } catch (error) {
    if (!named) return undefined;
    throw new ConfigurationError(
      `The certificate file ${named} cannot be read; correct its path or its rights.`,
      { cause: error },
    );
  }
}
