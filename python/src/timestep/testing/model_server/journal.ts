/** Every request that arrived, in the order of arrival, with the bytes of its body as text. */

export interface JournalEntry {
  method: string;
  /** Path and query as they were asked for, such as `/v1/responses`. */
  path: string;
  /** Header names are in lower case. */
  headers: Record<string, string>;
  /** The exact text of the body. */
  body: string;
  /** When the request had arrived: milliseconds since 1970. */
  at: number;
  /** The status of the answer; null while it is held, and when nothing was sent. */
  status: number | null;
  /** The script that the request named; null when it named none. */
  script: string | null;
  /** The position of the step that answered, from 0; null when none did. */
  step: number | null;
}

export class Journal {
  #entries: JournalEntry[] = [];

  add(entry: Omit<JournalEntry, 'at' | 'status' | 'script' | 'step'>): JournalEntry {
    const added = { ...entry, at: Date.now(), status: null, script: null, step: null };
    this.#entries.push(added);
    return added;
  }

  all(): JournalEntry[] {
    return this.#entries;
  }

  of(script: string): JournalEntry[] {
    return this.#entries.filter((entry) => entry.script === script);
  }

  forget(script: string): void {
    this.#entries = this.#entries.filter((entry) => entry.script !== script);
  }
}
