/** JSON documents as they lie in the database: text, ASCII only, nothing that JSON cannot say. */

/**
 * The value as JSON text in which every character outside ASCII is escaped, as Python writes it.
 *
 * @throws RangeError when the value holds NaN or an infinity; its path is named.
 */
export function dump(value: unknown): string {
  const text = JSON.stringify(value, (key, member: unknown) => {
    if (typeof member === 'number' && !Number.isFinite(member)) {
      throw new RangeError(`${pathOf(value, member) ?? key} is ${member}, which JSON cannot say.`);
    }
    return member;
  });
  return text.replace(/[\u007f-\uffff]/g, escaped);
}

/** The text fit for a PostgreSQL text column, which takes neither NUL nor surrogates; else null. */
export function columnText(value: unknown): string | null {
  return typeof value === 'string' ? value.replaceAll('\0', '\ufffd').toWellFormed() : null;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function pathOf(value: unknown, sought: number, path = '$'): string | undefined {
  if (Object.is(value, sought)) return path;
  if (typeof value !== 'object' || value === null) return undefined;
  const members = Array.isArray(value)
    ? value.map((member, index) => [`[${index}]`, member] as const)
    : Object.entries(value).map(([key, member]) => [`.${key}`, member] as const);
  for (const [step, member] of members) {
    const found = pathOf(member, sought, path + step);
    if (found) return found;
  }
  return undefined;
}
