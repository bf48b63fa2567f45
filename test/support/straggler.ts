/**
 * A worker that promotes, in a process of its own that a test freezes: prints `recorded` when the point of no return is
 * on record, goes on once the file named `go` is there, and prints how it ended.
 */
import { access } from 'node:fs/promises'
import { messageOf } from '../../src/core/errors.ts'
import { promote } from '../../src/failover/database/promote.ts'
import type { Site } from '../../src/failover/database/site.ts'
import { until } from '../../src/process/wait.ts'

const { site, epoch, go } = JSON.parse(process.argv[2] ?? '{}') as { site: Site; epoch: number; go: string }
const say = (line: string) => process.stdout.write(`${line}\n`)

async function recordNoReturn(): Promise<void> {
  say('recorded')
  await until(
    () =>
      access(go).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 120_000, everyMs: 10, what: go },
  )
}

await promote(site, { epoch, recordNoReturn }).then(
  ({ timeline }) => say(`promoted to timeline ${timeline}`),
  (error: unknown) => say(`refused: ${(error as { code?: string }).code ?? ''} ${messageOf(error)}`),
)
