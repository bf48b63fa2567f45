import { defineConfig } from 'vitest/config'
import { LongestFirst } from './scripts/testing/order.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Most tests wait for a server half of their time: one more than the two cores that this is meant for.
    maxWorkers: 3,
    isolate: true,
    sequence: { sequencer: LongestFirst },
  },
})
