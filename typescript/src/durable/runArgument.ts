/** The argument of the workflow that executes a run. */
export interface RunArgument {
  run_id: string;
  segment: number;
  epoch?: number;
}
