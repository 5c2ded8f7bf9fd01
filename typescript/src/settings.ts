/** The only reader of environment variables. Every name is described in spec/environment.json. */

import process from 'node:process';

/** The variable's value; an unset, empty or blank one is undefined. */
export function text(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

/** The variable's value as it stands, blanks included: for passwords. */
export function secret(name: string): string | undefined {
  return process.env[name] || undefined;
}
