/** Names of options: a misspelled one is refused, not left out. */

/** The names that an options object may have: every member of its type, and no other. */
export type Names<Options> = Record<keyof Options, true>;

/**
 * Refuses names that a function does not take, as Python does: types do not see objects that were
 * spread, nor plain JavaScript. What is undefined counts as not given.
 *
 * @throws TypeError when there is such a name.
 */
export function checkOptions<Options extends object>(
  given: Options,
  known: Names<Required<Options>>,
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(', ');
    throw new TypeError(`There is no option '${name}'; there are ${names}.`);
  }
}
