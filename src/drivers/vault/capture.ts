/** One snapshot, streamed and checked while it passes, and what the server says of itself around it. */
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Inventory } from '../../core/records.ts'
import type { ArtifactSink, Captured, DriverContext } from '../driver.ts'
import { checked, type SnapshotFacts } from './archive.ts'
import { contentsOf, leaderOf, sealStatus } from './facts.ts'
import { explained, sourcePlace, type Vault, type Work, withVault } from './server.ts'

export const SNAPSHOT = 'sys/storage/raft/snapshot'

export async function capture(work: Work, context: DriverContext, sink: ArtifactSink): Promise<Captured> {
  return withVault(work, sourcePlace(work), context.signal, async (vault) => {
    const look = () => contentsOf(vault, () => context.onProgress({ phase: 'list' }))
    const { raft_applied_index: before = 0 } = await leaderOf(vault)
    const first = await look()
    const time = new Date().toISOString()
    const { artifact, facts } = await take(vault, context, sink)
    const second = await look()
    const warnings = [...hiddenWarning([...new Set([...first.hidden, ...second.hidden])])]
    if (facts.index < before)
      warnings.push(`the snapshot is of index ${facts.index}, and the server had applied ${before} before it was asked`)
    const { same, moved } = stable(first.inventory, second.inventory)
    if (moved.length > 0) warnings.push(`somebody wrote meanwhile, so that a proof does not compare ${moved.join(', ')}`)
    return {
      artifacts: [artifact],
      inventory: { snapshot: facts, ...(await selfOf(vault, work)), ...same },
      consistency: { time, snapshot: `${facts.term}-${facts.index}` },
      sizeBytes: artifact.plainBytes ?? 0,
      fileCount: 1,
      warnings,
    }
  })
}

async function take(vault: Vault, context: DriverContext, sink: ArtifactSink) {
  const { url, signal } = vault
  const answer = await vault.download(SNAPSHOT)
  let facts: SnapshotFacts | undefined
  let bytes = 0
  async function* passing(): AsyncGenerator<Buffer> {
    try {
      const whole = checked(answer as AsyncIterable<Buffer>, (found) => {
        facts = found
      })
      for await (const chunk of whole) {
        bytes += chunk.length
        context.onProgress({ phase: 'snapshot', bytes })
        yield chunk
      }
    } catch (error) {
      throw brokenOff(explained(error, url, SNAPSHOT, signal), url)
    } finally {
      answer.destroy()
    }
  }
  const stream = Readable.from(passing(), { objectMode: false })
  const artifact = await sink.storeStream({ part: 'raft', role: 'snapshot', required: true, stream })
  if (!facts) throw new HoldfastError('INTEGRITY', `the snapshot of ${url} was not read to its end`, { object: url, retryable: true })
  return { artifact, facts }
}

/** What was damaged on its way comes whole at the next try. */
function brokenOff(error: unknown, url: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'INTEGRITY') return error
  return new HoldfastError('INTEGRITY', `${url}: ${error.message}`, {
    object: url,
    retryable: true,
    cause: error,
    next: 'look at the network and at the log of the server where it happens again',
  })
}

async function selfOf(vault: Vault, { config }: Work): Promise<Inventory> {
  const { type, t, n, cluster_id = '', cluster_name = '', version } = await sealStatus(vault)
  const { leader_cluster_address: leader = '' } = await leaderOf(vault)
  return {
    seal: { type, threshold: t, shares: n, ...(config.sealKeys.length > 0 && { keys: config.sealKeys.join(', ') }) },
    cluster: { id: cluster_id, name: cluster_name, leader, version },
  }
}

const hiddenWarning = (hidden: readonly string[]): string[] =>
  hidden.length === 0 ? [] : [`the token may not list ${hidden.join(', ')}: a proof does not compare them`]

/** The snapshot is of a moment between the two: what was the same at both is what it has. */
function stable(first: Inventory, second: Inventory): { same: Inventory; moved: string[] } {
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])]
  const isSame = (name: string) => JSON.stringify(first[name]) === JSON.stringify(second[name])
  const same = Object.fromEntries(names.filter(isSame).map((name) => [name, first[name] ?? {}]))
  return { same, moved: names.filter((name) => !isSame(name)) }
}
