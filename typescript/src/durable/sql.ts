/** Calls of the functions in the schema. */

/** The statement that calls a function of the schema with so many arguments. */
export function calling(name: string, count: number): string {
  const places = Array.from({ length: count }, (_, index) => `$${index + 1}`);
  return `select * from timestep.${name}(${places.join(', ')})`;
}
