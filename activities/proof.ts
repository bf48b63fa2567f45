/** A recovery point is good because a restore of it was compared, and for no other reason. */
import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import type { Catalog } from '../src/catalog/catalog.ts'
import { type Choice, newestFirst, newestOf, soundestOf, warningsOf } from '../src/core/points.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Assertion, Manifest, PointSummary, Proof, ProofDepth } from '../src/core/records.ts'
import { createSource, type SourceOptions } from '../src/pipeline/read.ts'
import type { Store } from '../src/storage/store.ts'
import { withProgress, type RunningContext } from './context.ts'
import { lookAt, refuseEmpty } from './look.ts'
import { type Services, sourceOf } from './services.ts'

export interface ProofResult {
  ok: boolean
  source: string
  id: string
  depth: ProofDepth
  seconds: number
  assertions: number
  passed: number
  failures: string[]
  /** Of the scratch instance that was left running: how to connect, and its name for discardInstance. */
  kept?: string
  instance?: string
}
interface ProofInput {
  source: string
  id: string
  depth: ProofDepth
  keep: boolean
  workflowId: string
  runId: string
}

export function createProofActivities(services: Services) {
  const { config } = services
  return {
    /** `latest`, `random` or an id. A restore (`sound`) takes no point for the latest whose proof failed, where there is another. */
    async resolvePoint({
      source,
      recoveryPoint,
      sound = false,
    }: {
      source: string
      recoveryPoint: string
      sound?: boolean
    }): Promise<Choice> {
      const points = await (await services.catalog(sourceOf(config, source).repository)).listPoints(source)
      return (sound && recoveryPoint === 'latest' && soundestOf(points)) || choosePoint(points, source, recoveryPoint)
    },

    async proveRestore(input: ProofInput): Promise<ProofResult> {
      return withProgress(async (context) => {
        const { repository } = sourceOf(config, input.source)
        const store = await services.store(repository)
        const catalog = await services.catalog(repository)
        const started = Date.now()
        const { manifest, digest } = await catalog.readManifest(input.source, input.id)
        const { assertions: found, ...kept } = await assertionsOf(input, manifest, { store, headersOf: catalog.headers() }, context)
        const assertions = refuseEmpty(found)
        const failures = assertions.filter((one) => !one.ok).map((one) => `${one.name}: expected ${one.expected}, found ${one.actual}`)
        const seconds = (Date.now() - started) / 1000
        const proof: Proof = {
          format: 'holdfast/v1',
          type: 'proof',
          source: input.source,
          id: input.id,
          depth: input.depth,
          ok: failures.length === 0,
          startedAt: new Date(started).toISOString(),
          completedAt: new Date().toISOString(),
          seconds,
          where: hostname(),
          manifestDigest: digest,
          assertions,
          workflowId: input.workflowId,
          runId: input.runId,
        }
        await context.requireCurrent()
        await recordOnce(catalog, proof)
        return {
          ok: proof.ok,
          source: input.source,
          id: input.id,
          depth: input.depth,
          seconds,
          assertions: assertions.length,
          passed: assertions.length - failures.length,
          failures: failures.slice(0, 20),
          ...kept,
        }
      })
    },
  }

  async function assertionsOf(
    input: ProofInput,
    manifest: Manifest,
    { store, headersOf }: Pick<SourceOptions, 'store' | 'headersOf'> & { store: Store },
    context: RunningContext,
  ): Promise<Pick<ProofResult, 'kept' | 'instance'> & { assertions: Assertion[] }> {
    const { identityFile } = config.encryption
    const driverHere = () => services.repositoryDriver(input.source, context.host)
    if (input.depth === 'list' || input.depth === 'read')
      return { assertions: await lookAt({ store, identityFile, headersOf, driver: driverHere }, context, manifest, input.depth) }
    const source = sourceOf(config, input.source)
    const driver = await driverHere()
    const root = services.scratchRoot(source)
    // The end of the run's id: a socket's path has room for 107 bytes.
    const dirOf = (attempt: number) => join(root, `proof-${input.runId.slice(-12)}-${attempt}`)
    // What an earlier try left goes first; one that is only frozen finds its folder gone and fails.
    for (let earlier = 1; earlier < context.attempt; earlier += 1) await driver.destroy({ dir: dirOf(earlier) })
    const dir = dirOf(context.attempt)
    await mkdir(dir, { recursive: true, mode: 0o755 })
    let keep = false
    try {
      const artifacts = createSource({ store, identityFile, headersOf, signal: context.signal })
      const { target } = await driver.restore(context, manifest, artifacts, { dir })
      const named = source.verify.assertions.map(nameOf)
      const assertions = await driver.verify(context, manifest, target, { depth: input.depth, assertions: named })
      keep = input.keep
      return { assertions, ...(keep && { kept: target.connection, instance: basename(dir) }) }
    } finally {
      if (!keep) {
        await driver.destroy({ dir })
        await rm(dir, { recursive: true, force: true })
      }
    }
  }
}
/** A question without a name is called by its own words. */
function nameOf<T extends { name?: string | undefined }>(assertion: T): T & { name: string } {
  const { name, ...question } = assertion
  const words = Object.values(question).map((word) => (typeof word === 'string' ? word : JSON.stringify(word)))
  return { ...assertion, name: name ?? words.join(' ') }
}
export type ProofActivities = ReturnType<typeof createProofActivities>

/** A try that was killed after it recorded its proof records no second one of the same run. */
async function recordOnce(catalog: Catalog, proof: Proof): Promise<void> {
  const before = await catalog.proofsOf(proof.source, proof.id)
  if (!before.some((one) => one.runId === proof.runId && one.depth === proof.depth && one.ok === proof.ok)) await catalog.appendProof(proof)
}

export function choosePoint(points: PointSummary[], source: string, wanted: string, random = Math.random): Choice {
  const sorted = [...points].sort(newestFirst)
  const chosen =
    wanted === 'latest'
      ? newestOf(points)
      : wanted === 'random'
        ? sorted[Math.floor(random() * sorted.length)]
        : sorted.find((point) => point.id === wanted)
  if (chosen) return { id: chosen.id, warnings: warningsOf(chosen, points) }
  throw new HoldfastError(
    'NOT_FOUND',
    sorted.length === 0 ? `${source} has no recovery point` : `${source} has no recovery point "${wanted}"; the newest is ${sorted[0]?.id}`,
    {
      object: wanted,
      next: sorted.length === 0 ? `holdfast backup ${source}` : `holdfast list ${source}`,
    },
  )
}
