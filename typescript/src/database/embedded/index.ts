/** The embedded server, as a server like any other that must be kept attached. */

import process from 'node:process';
import { warn } from '../../logger.ts';
import { type Connected, connect } from '../connect.ts';
import type { Server } from '../server.ts';
import { shownPath } from './folder.ts';
import { attach, detach, type Presence } from './presence.ts';

/** The embedded server of this user, running and attached. */
export async function embeddedServer(): Promise<Server> {
  const server = new EmbeddedServer();
  await server.attach();
  return server;
}

/** What pg's types leave out. */
type Refable = Presence['client'] & { ref(): void; unref(): void };

class EmbeddedServer implements Server {
  #presence: Presence | undefined;
  #folder = '';
  readonly #atExit = () => void this.detach().catch(warnOfDetach);

  readonly source = 'embedded';

  get origin(): string {
    return `embedded, ${this.#folder}`;
  }

  get attached(): boolean {
    return this.#presence !== undefined;
  }

  async attach(): Promise<Presence> {
    if (this.#presence) return this.#presence;
    const presence = await attach();
    this.#presence = presence;
    this.#folder = shownPath(presence.cluster.folder);
    presence.client.once('end', () => this.#forget(presence));
    // The presence alone must not keep a process from ending.
    (presence.client as Refable).unref();
    process.on('beforeExit', this.#atExit);
    return presence;
  }

  async connect(): Promise<Connected> {
    const { address } = await this.attach();
    return connect(address, { source: this.origin });
  }

  async detach(): Promise<void> {
    const presence = this.#presence;
    if (!presence) return;
    this.#forget(presence);
    (presence.client as Refable).ref();
    await detach(presence);
  }

  #forget(presence: Presence): void {
    if (this.#presence !== presence) return;
    this.#presence = undefined;
    process.off('beforeExit', this.#atExit);
  }
}

function warnOfDetach(error: unknown): void {
  warn(`The embedded PostgreSQL may still run: ${error}`, 'TIMESTEP_EMBEDDED_DETACH');
}
