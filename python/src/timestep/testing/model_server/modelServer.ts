import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ModelServerClient } from './client.ts';
import type { JournalEntry } from './journal.ts';
import type { ScriptOptions, Step } from './scripts.ts';
import { createModelServer } from './server.ts';

/**
 * A real HTTP server on 127.0.0.1 that stands in for the model: it answers as its scripts say, and
 * refuses what OpenAI, Ollama and Firecrawl would refuse.
 *
 * A run chooses its script by its API key, so an agent needs nothing but the two settings that
 * it needs anyway:
 *
 * ```ts
 * await using server = await ModelServer.start();
 * await server.script('greeting', [{ output: [{ type: 'message', text: 'Hello!' }] }]);
 * const client = new OpenAI({ baseURL: server.url, apiKey: server.apiKey('greeting') });
 * ```
 */
export class ModelServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #client: ModelServerClient;
  /** The address without a path: `http://127.0.0.1:<port>`. */
  readonly origin: string;

  private constructor(server: Server) {
    const { port } = server.address() as AddressInfo;
    this.#server = server;
    this.origin = `http://127.0.0.1:${port}`;
    this.#client = new ModelServerClient(this.origin);
  }

  /** A server that listens on a free port of 127.0.0.1. */
  static async start(): Promise<ModelServer> {
    const server = createModelServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ModelServer(server);
  }

  /** The base URL in place of `https://api.openai.com/v1`. */
  get url(): string {
    return `${this.origin}/v1`;
  }

  /** The address in place of a local Ollama's `http://localhost:11434`. */
  get ollamaUrl(): string {
    return `${this.origin}/ollama`;
  }

  /** The address in place of `https://ollama.com`. */
  get ollamaCloudUrl(): string {
    return `${this.origin}/ollama-cloud`;
  }

  /** The address in place of `https://api.firecrawl.dev`. */
  get firecrawlUrl(): string {
    return `${this.origin}/firecrawl`;
  }

  /** The API key that makes a client follow the script `id`. */
  apiKey(id: string): string {
    return `test-${id}`;
  }

  /**
   * Sets what the model says to the requests that come with the key of `id`, one step each. What
   * was set, stored and recorded under this id before is forgotten.
   *
   * @throws Error when a step has a field that no step knows.
   */
  script(id: string, steps: Step[], options: ScriptOptions = {}): Promise<void> {
    return this.#client.script(id, steps, options);
  }

  /** The requests that named the script `id`, in order of arrival; without an id, all of them. */
  requests(id?: string): Promise<JournalEntry[]> {
    return this.#client.requests(id);
  }

  /** Lets one request pass the gate: the one that is held there, or the next one that comes. */
  release(id: string, gate: string): Promise<void> {
    return this.#client.release(id, gate);
  }

  /**
   * Returns as soon as a request is held at the gate.
   *
   * @param timeoutMs How long to wait, in milliseconds (10,000; at most 60,000).
   * @throws Error when none came in time.
   */
  waitUntilHeld(id: string, gate: string, timeoutMs?: number): Promise<void> {
    return this.#client.waitUntilHeld(id, gate, timeoutMs);
  }

  /** Forgets the script and its journal; held requests are let go. */
  remove(id: string): Promise<void> {
    return this.#client.remove(id);
  }

  /** Stops the server and drops every connection, held ones included. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
