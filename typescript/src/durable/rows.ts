/** Rows of the database as users of TypeScript read them. */

/** The row with its columns in camelCase: `run_id` as `runId`. */
export function camelCased<Row extends object>(row: object): Row {
  const entries = Object.entries(row).map(([column, value]) => [camel(column), value]);
  return Object.fromEntries(entries) as Row;
}

function camel(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
