import { defineConfig } from 'vitest/config'
import { LongestFirst } from './scripts/testing/order.ts'

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // A file that has servers waits for them half of its time, or more: twice the two cores that this is meant for.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { name: 'servers', include: ['test/**/*.test.ts'], exclude: ['test/unit/**'], isolate: true } },
      // They leave no state in their process: what they import, a third of their time, is loaded once for many of them.
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false } },
    ],
  },
})
