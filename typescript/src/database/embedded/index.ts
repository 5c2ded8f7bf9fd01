/** The embedded server, as a server like any other that must be kept attached. */

import process from 'node:process';
import { warn } from '../../logger.ts';
import { type Connected, connect, destroy, tryConnect } from '../connect.ts';
import { isDropped, unavailable } from '../failure.ts';
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
    for (const event of ['error', 'end'] as const)
      presence.client.once(event, () => this.#forget(presence));
    // The presence alone must not keep a process from ending.
    (presence.client as Refable).unref();
    process.on('beforeExit', this.#atExit);
    return presence;
  }

  async connect(): Promise<Connected> {
    const presence = await this.attach();
    const { timeoutMs } = presence.address;
    try {
      return await tryConnect(presence.address, timeoutMs);
    } catch (error) {
      if (!isDropped(error))
        throw unavailable(error, { address: presence.address, source: this.origin, timeoutMs });
      // The server is gone, and our own connection to it has not noticed yet.
      this.#forget(presence);
      destroy(presence.client);
    }
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
