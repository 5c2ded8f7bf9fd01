import { defineConfig } from 'vitest/config';

/** `--mode soak` runs the long forms of tests. */
export default defineConfig(({ mode }) => ({
  test: {
    include: [mode === 'soak' ? 'test/**/*.soak.ts' : 'test/**/*.test.ts'],
    globalSetup: ['test/support/globalSetup.ts'],
    maxWorkers: 4, // the tests wait more than they compute
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
}));
