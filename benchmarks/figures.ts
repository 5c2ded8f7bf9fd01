/** What a figure is, and how two things are measured side by side. */

type Work = () => Promise<unknown>;

const words = process.argv.slice(2);

/** Whether the command line asks for one of the figures. */
export function wanted(...names: string[]): boolean {
  return words.length === 0 || names.some((name) => words.some((word) => name.includes(word)));
}

/** Print one figure; the bound is the most that it may be. */
export function show(name: string, measured: number, bound: number, unit = 'x'): void {
  const verdict = measured <= bound ? 'ok' : 'short';
  console.log(`${name}\t${measured.toFixed(2)} ${unit}\t<= ${bound} ${unit}\t${verdict}`);
}

/** How many times as long the work takes as its reference, by the minima of both. */
export async function ratio(work: Work, reference: Work, rounds: number): Promise<number> {
  const times = { reference: [] as number[], work: [] as number[] };
  await reference();
  await work();
  for (let round = 0; round < rounds; round += 1) {
    times.reference.push(await timed(reference));
    times.work.push(await timed(work));
  }
  return Math.min(...times.work) / Math.min(...times.reference);
}

async function timed(work: Work): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
