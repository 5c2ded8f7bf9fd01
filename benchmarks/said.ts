/** What a measured program says to the one that measures it. */

/** Say that something happens now, on the clock that all processes share. */
export function say(word: string): void {
  process.stdout.write(`${word} ${(performance.timeOrigin + performance.now()) / 1000}\n`);
}

/** Says every model call; those of one turn never get an answer, where one is named. */
export function calls(stopAt: number | undefined): (number: number) => Promise<void> {
  return async (number) => {
    say('call');
    if (number !== stopAt) return;
    say('waiting');
    await new Promise(() => {});
  };
}
