/**
 * Requests that wait until a test lets them go.
 *
 * A release lets exactly one request pass: the one that is held, or the next one that comes. So a
 * test never races with the request it steers.
 */

type Pass = () => void;

export class Gates {
  readonly #waiting = new Map<string, Pass[]>();
  readonly #credits = new Map<string, number>();
  readonly #watchers = new Map<string, Set<() => void>>();

  /** Returns when the gate lets this request pass, or when its client is gone. */
  async hold(name: string, gone: AbortSignal): Promise<void> {
    const credit = this.#credits.get(name) ?? 0;
    if (credit > 0) {
      this.#credits.set(name, credit - 1);
      return;
    }
    await new Promise<void>((pass) => {
      const queue = this.#queue(name);
      const leave = () => {
        const index = queue.indexOf(pass);
        if (index >= 0) queue.splice(index, 1);
        pass();
      };
      queue.push(pass);
      gone.addEventListener('abort', leave, { once: true });
      if (gone.aborted) leave();
      for (const notice of this.#watchers.get(name) ?? []) notice();
    });
  }

  release(name: string): void {
    const pass = this.#queue(name).shift();
    if (pass) pass();
    else this.#credits.set(name, (this.#credits.get(name) ?? 0) + 1);
  }

  /** How many requests are held at this gate, once there is one or the time is over. */
  async held(name: string, waitMs: number): Promise<number> {
    if (this.#queue(name).length > 0 || waitMs <= 0) return this.#queue(name).length;
    await new Promise<void>((resolve) => {
      const watchers = this.#watchers.get(name) ?? new Set();
      this.#watchers.set(name, watchers);
      const done = () => {
        clearTimeout(timer);
        watchers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      watchers.add(done);
    });
    return this.#queue(name).length;
  }

  /** Lets everybody go: the script is replaced or removed. */
  open(): void {
    for (const queue of this.#waiting.values()) for (const pass of queue.splice(0)) pass();
  }

  #queue(name: string): Pass[] {
    const queue = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, queue);
    return queue;
  }
}
