/**
 * Guesses at a PostgreSQL on this machine's usual port.
 *
 * Port 5432 may as well be a tunnel to somebody's production: only the user's own name and
 * `postgres` are tried, and no password that the user has not set up for it.
 */

import { connect as connectSocket } from 'node:net';
import { databasePassword, databaseUser, defaultPort, text } from '../settings.ts';
import type { Address } from './address.ts';
import { tryConnect } from './connect.ts';
import { codeOf, describe, TimeLimit } from './failure.ts';
import { NoPassword, passwordFromFile } from './passwords.ts';

const TCP_MS = 500;
const HANDSHAKE_MS = 2000;
const OWN_DATABASE = 'timestep';

/** A database that can be used, or why there is none. `quiet`: nothing listens there. */
export type Guess = { address: Address } | { reason: string; quiet: boolean };

export async function guessLocalhost(): Promise<Guess> {
  const user = databaseUser();
  const own = localAddress(user, databasePassword());
  if (!(await listens(own))) return { reason: 'nothing listens there', quiet: true };
  const postgres = localAddress('postgres');
  const deadline = Date.now() + HANDSHAKE_MS;
  const reasons: string[] = [];
  for (const address of user === 'postgres' ? [own] : [own, withPasswordFile(postgres)]) {
    try {
      await reach(address, Math.max(deadline - Date.now(), 1));
      return { address };
    } catch (error) {
      reasons.push(describe(error, address, HANDSHAKE_MS));
      if (!isRefusedLogin(error)) break;
    }
  }
  return { reason: reasons.join('; '), quiet: false };
}

function localAddress(user: string, password?: string): Address {
  return {
    user,
    password,
    host: 'localhost',
    port: defaultPort(),
    database: text('PGDATABASE') ?? OWN_DATABASE,
    parameters: new Map(),
    timeoutMs: HANDSHAKE_MS,
  };
}

/** PGPASSWORD is the user's own: it is not sent for anybody else. */
function withPasswordFile(address: Address): Address {
  return { ...address, password: passwordFromFile(address) ?? '' };
}

async function listens(address: Address): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { host, port } = address;
  const socket = connectSocket({ host, port, autoSelectFamilyAttemptTimeout: TCP_MS });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  // localhost has two addresses at most.
  const limit = new TimeLimit(2 * TCP_MS);
  try {
    return await Promise.race([promise, limit.passed]);
  } catch {
    return false;
  } finally {
    limit.cancel();
    socket.destroy();
  }
}

/** Logs in once, creating our own database if it is missing and the role may. */
async function reach(address: Address, timeoutMs: number): Promise<void> {
  try {
    const { client } = await tryConnect(address, timeoutMs);
    await client.end();
  } catch (error) {
    if (codeOf(error) !== '3D000' || address.database !== OWN_DATABASE) throw error;
    await createDatabase(address, timeoutMs);
  }
}

/** Creates the database of an address from the database `postgres`, unless somebody else just did. */
export async function createDatabase(address: Address, timeoutMs: number): Promise<void> {
  const { client } = await tryConnect({ ...address, database: 'postgres' }, timeoutMs);
  try {
    await client.query(`create database ${client.escapeIdentifier(address.database)}`);
  } catch (error) {
    // 42P04: it exists; 23505: two created it at the same instant.
    if (!['42P04', '23505'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await client.end();
  }
}

function isRefusedLogin(error: unknown): boolean {
  return error instanceof NoPassword || ['28000', '28P01'].includes(codeOf(error) ?? '');
}
