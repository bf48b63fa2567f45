/** The parts of the benchmarks, grouped by the servers that they share. */
import type { Bench } from './bench.ts'
import { benchEvents } from './events.ts'
import { benchFailover } from './failover.ts'
import { benchLogical } from './logical.ts'
import { benchMemory } from './memory.ts'
import { benchPhysicalBackup } from './physical.ts'
import { benchLogicalRestore, benchPhysicalRestore } from './restores.ts'
import { startSource } from './source.ts'
import { benchStack } from './stack.ts'

export interface Group {
  parts: readonly string[]
  run(bench: Bench, wanted: readonly string[]): Promise<void>
}

export const GROUPS: readonly Group[] = [
  {
    parts: ['logical', 'physical', 'verify'],
    async run(bench, wanted) {
      const [logical, physical, verify] = ['logical', 'physical', 'verify'].map((part) => wanted.includes(part))
      const source = await startSource(bench)
      if (logical) await benchLogical(bench, source)
      if (physical) await benchPhysicalBackup(bench, source)
      if (physical || verify) await benchPhysicalRestore(bench, source, { restore: physical ?? false, verify: verify ?? false })
      if (verify) await benchLogicalRestore(bench, source)
    },
  },
  { parts: ['memory'], run: benchMemory },
  {
    parts: ['events', 'failover'],
    async run(bench, wanted) {
      const stack = await benchStack(bench)
      if (wanted.includes('events')) await benchEvents(bench, stack)
      if (wanted.includes('failover')) await benchFailover(bench, stack)
    },
  },
]

export const PARTS: readonly string[] = GROUPS.flatMap(({ parts }) => parts)
