/** The control protocol, as a test speaks it. */

import type { JournalEntry } from './journal.ts';
import type { ScriptOptions, Step } from './scripts.ts';

const DEFAULT_WAIT_MS = 10_000;

/** Sets scripts of one running server and reads what it saw. */
export class ModelServerClient {
  readonly #origin: string;

  constructor(origin: string) {
    this.#origin = origin;
  }

  async script(id: string, steps: Step[], options: ScriptOptions = {}): Promise<void> {
    await this.#ask('POST', `/__script/${encodeURIComponent(id)}`, { ...options, steps });
  }

  async requests(id?: string): Promise<JournalEntry[]> {
    const path = id === undefined ? '/__requests' : `/__script/${encodeURIComponent(id)}/requests`;
    return (await this.#ask('GET', path)) as JournalEntry[];
  }

  async release(id: string, gate: string): Promise<void> {
    await this.#ask('POST', `${gatePath(id, 'release', gate)}`);
  }

  async waitUntilHeld(id: string, gate: string, timeoutMs = DEFAULT_WAIT_MS): Promise<void> {
    const path = `${gatePath(id, 'held', gate)}?wait_ms=${timeoutMs}`;
    const { held } = (await this.#ask('GET', path)) as { held: number };
    if (held > 0) return;
    throw new Error(`No request was held at '${gate}' of the script '${id}' in ${timeoutMs} ms.`);
  }

  async remove(id: string): Promise<void> {
    await this.#ask('DELETE', `/__script/${encodeURIComponent(id)}`);
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const request: RequestInit = { method };
    if (body !== undefined) request.body = JSON.stringify(body);
    const response = await fetch(`${this.#origin}${path}`, request);
    const answer = (await response.json()) as { error?: { message?: string } };
    if (response.ok) return answer;
    throw new Error(`The model server refused ${method} ${path}: ${answer.error?.message}`);
  }
}

function gatePath(id: string, verb: string, gate: string): string {
  return `/__script/${encodeURIComponent(id)}/${verb}/${encodeURIComponent(gate)}`;
}
