/** A recovery point is good because a restore of it was compared, and for no other reason. */
import { mkdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import type { Catalog } from '../src/catalog/catalog.ts'
import type { Assertion, Manifest, Proof, ProofDepth } from '../src/core/records.ts'
import { createSource, type SourceOptions } from '../src/pipeline/read.ts'
import type { Store } from '../src/storage/store.ts'
import { withProgress, type RunningContext } from './context.ts'
import { createFindPoint } from './find-point.ts'
import { lookAt, refuseEmpty } from './look.ts'
import { openSource, type Services, sourceOf } from './services.ts'
import { createThaw } from './thaw.ts'

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
  /** Of the copy that was looked at. */
  repository?: string
  /** Why it was that one. */
  warnings?: string[]
}
interface ProofInput {
  source: string
  id: string
  repository?: string
  depth: ProofDepth
  keep: boolean
  workflowId: string
  runId: string
}

export function createProofActivities(services: Services) {
  const { config } = services
  return {
    ...createFindPoint(services),
    ...createThaw(services),

    async proveRestore(input: ProofInput): Promise<ProofResult> {
      return withProgress(async (context) => {
        const { store, catalog } = await openSource(services, input.source, input.repository)
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
