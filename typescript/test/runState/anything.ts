/** Random values from a seed, so that a failure can be seen again. */

export class Anything {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, but not including, `end` (mulberry32). */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  list<T>(make: () => T, longest = 3): T[] {
    return Array.from({ length: this.below(longest + 1) }, make);
  }

  text(): string {
    const units = [
      'a',
      'B',
      '"',
      '\\',
      ' ',
      '\u0000',
      '\n',
      'é',
      '日',
      '🏔',
      '\ud800',
      '\u2028',
      '{',
      '1',
    ];
    return this.list(() => this.pick(units), 6).join('');
  }

  /** Any JSON value. */
  value(depth = 2): unknown {
    const simple = [null, true, 0, -1.5, 1e-7, this.text()];
    if (depth === 0 || this.below(2) === 0) return this.pick(simple);
    if (this.below(2) === 0) return this.list(() => this.value(depth - 1));
    return Object.fromEntries(this.list(() => [this.key(), this.value(depth - 1)] as const));
  }

  /** A field name as APIs use them. */
  key(): string {
    return this.pick(['x', 'future_field', 'b2', 'z_9', 'annotations2', '7']);
  }

  /** The object without some of its fields, with others that nobody knows. */
  varied(object: Record<string, unknown>, required: string[]): Record<string, unknown> {
    const kept = Object.entries(object).filter(
      ([key]) => required.includes(key) || this.below(3) > 0,
    );
    const more = this.below(3) === 0 ? [[this.key(), this.value()] as const] : [];
    return Object.fromEntries([...kept, ...more]);
  }
}
