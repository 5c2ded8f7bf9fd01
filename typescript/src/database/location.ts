// A file of its own: the package's types must not lead to those of pg, which users do not have.

/** What a caller may know about the database in use. */
export interface DatabaseLocation {
  /** The URL, password included, in a form that pg and DBOS take: never show it. */
  readonly url: string;
  /** The server's version, its place and who named it, fit for messages and logs. */
  readonly display: string;
  /** Who named the database, such as `PG_CONNECTION_URI` or `embedded`. */
  readonly source: string;
}
