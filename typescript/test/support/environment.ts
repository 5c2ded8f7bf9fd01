/** Environment variables for the length of a test. */

const FOREIGN = /^(PG|TIMESTEP_|XDG_DATA_HOME|NODE_DEBUG)/;

/** The environment of this process without anything that chooses a database, plus the given. */
export function environmentWith(variables: Record<string, string>): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...variables };
}

/** Does something with only these of the variables that choose a database. */
export async function withEnvironment<Result>(
  variables: Record<string, string>,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const before = { ...process.env };
  replace(environmentWith(variables));
  try {
    return await work();
  } finally {
    replace(before);
  }
}

function replace(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
}
