/** What every driver promises, asked of a real source. A driver's own test gives the harness and adds what is its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Assertion, Manifest } from '../../src/core/records.ts'
import type { Captured, CaptureRequest, DriverContext, Progress, SourceDriver, Target, UserAssertion } from '../../src/drivers/driver.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { createMemoryStore, type MemoryStore } from '../../src/storage/memory.ts'
import { type Identity, makeIdentity } from '../support/age.ts'
import { manifestOf } from '../support/manifest.ts'

/** A change to what was restored that a proof must see, and its undoing. */
export interface Tampering {
  name: string
  change(target: Target): Promise<void>
  undo(target: Target): Promise<void>
  red: RegExp
}

export interface DriverHarness {
  driver: SourceDriver
  /** The source as it stands, as text: equal before and after what must change nothing. */
  state(): Promise<string>
  /** What Holdfast left on the source: sessions, slots, locks, files. */
  leftovers(): Promise<string[]>
  /** An existing folder for scratch instances that the engine's user can reach. */
  scratchRoot: string
  /** Whether anything of the instance is there: a process, or where it has none, its files. */
  alive(dir: string): Promise<boolean>
  tamperings: Tampering[]
  /** What a restored instance says of its quarantine; empty when it is sealed. */
  leaks(target: Target): Promise<string[]>
  /** Questions of a user: one that holds of the source's contents, and some that do not, or cannot be asked. */
  assertions: { holds: UserAssertion; red: UserAssertion[] }
  close(): Promise<void>
}

export interface Repository {
  store: MemoryStore
  identity: Identity
  dir: string
}

export async function openRepository(): Promise<Repository> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-conformance-'))
  return { store: createMemoryStore(), identity: await makeIdentity(dir), dir }
}

/** A context that aborts when told by its own progress. */
export function contextFor(abortAt?: (progress: Progress, count: number) => boolean): DriverContext & { seen: Progress[] } {
  const cancel = new AbortController()
  const seen: Progress[] = []
  return {
    signal: cancel.signal,
    seen,
    onProgress(progress) {
      seen.push(progress)
      if (abortAt?.(progress, seen.length)) cancel.abort(new Error('stopped by the test'))
    },
  }
}

/** Capture and the manifest around it. */
export async function takePoint(
  driver: SourceDriver,
  { store, identity }: Repository,
  request: CaptureRequest,
  context: DriverContext = contextFor(),
): Promise<Manifest> {
  const { versions } = await driver.preflight(context)
  const sink = createSink({
    store,
    prefix: `holdfast/v1/orders/${request.id}/data/`,
    attempt: request.attempt,
    recipients: [identity.recipient],
    signal: context.signal,
    onProgress: (progress) => context.onProgress(progress),
    firstPartBytes: 256 * 1024,
  })
  const capture = async (): Promise<Captured> => {
    const snapshot = await driver.snapshot?.(context, request)
    return driver.capture(context, { ...request, ...(snapshot && { snapshot }) }, sink)
  }
  // Removed by a workflow whatever happened, when it was cancelled too.
  const captured = await capture().finally(() => driver.removeSnapshot?.(contextFor(), request.id))
  return manifestOf(driver.kind, request, captured, versions)
}

export const failures = (assertions: Assertion[]): Assertion[] => assertions.filter(({ ok }) => !ok)

let serial = 0
export const nextRequest = (attempt = 1): CaptureRequest => ({
  id: `20251018_2145${String(30 + serial++).padStart(2, '0')}_manual`,
  kind: 'manual',
  attempt,
})

export function describeDriver(name: string, open: () => Promise<DriverHarness>): void {
  describe(`${name}, as every driver`, () => {
    let harness: DriverHarness
    let repository: Repository
    let manifest: Manifest
    beforeAll(async () => {
      harness = await open()
      repository = await openRepository()
    })
    afterAll(async () => {
      await harness?.close()
      if (repository) await rm(repository.dir, { recursive: true, force: true })
    })
    const source = (signal?: AbortSignal) =>
      createSource({ store: repository.store, identityFile: repository.identity.file, ...(signal ? { signal } : {}) })
    const restore = (dir: string, context = contextFor()) => harness.driver.restore(context, manifest, source(context.signal), { dir })
    const prove = (target: Target, assertions: UserAssertion[] = []) =>
      harness.driver.verify(contextFor(), manifest, target, { depth: 'full', assertions })

    it('preflight finds nothing against it and changes nothing', async () => {
      const before = await harness.state()
      const found = await harness.driver.preflight(contextFor())
      expect(found.findings.filter(({ ok, required }) => required && !ok)).toEqual([])
      expect(Object.keys(found.versions).length).toBeGreaterThan(0)
      expect(found.estimateBytes).toBeGreaterThan(0)
      expect(await harness.state()).toBe(before)
      expect(await harness.leftovers()).toEqual([])
    })

    it('a capture that is stopped leaves nothing behind', async () => {
      const before = await harness.state()
      const context = contextFor(({ phase }) => phase !== 'preflight')
      await expect(takePoint(harness.driver, repository, nextRequest(), context)).rejects.toMatchObject({ code: 'CANCELLED' })
      const left: string[] = []
      for await (const { key } of repository.store.pendingUploads('')) left.push(key)
      expect(left).toEqual([])
      expect(await harness.leftovers()).toEqual([])
      expect(await harness.state()).toBe(before)
    })

    it('a capture leaves the source as it was and describes what it took', async () => {
      const before = await harness.state()
      manifest = await takePoint(harness.driver, repository, nextRequest())
      expect(manifest.content ?? manifest.reference ?? manifest.inventory).toBeDefined()
      expect(manifest.consistency.time).toMatch(/Z$/)
      expect(manifest.sizeBytes).toBeGreaterThan(0)
      expect(await harness.leftovers()).toEqual([])
      expect(await harness.state()).toBe(before)
    })

    describe('restored', () => {
      let target: Target
      const dir = () => join(harness.scratchRoot, 'restored')
      beforeAll(async () => {
        target = (await restore(dir())).target
      })

      it('into a quarantined instance proves equal, and may be asked again', async () => {
        expect(await harness.leaks(target)).toEqual([])
        for (let round = 1; round <= 2; round += 1) {
          const { holds } = harness.assertions
          const assertions = await prove(target, [holds])
          expect(failures(assertions)).toEqual([])
          expect(assertions.find(({ name }) => name === holds.name)).toMatchObject({ ok: true })
        }
      })

      it('assertions of the user that do not hold or cannot be asked are red, and are results', async () => {
        const { red } = harness.assertions
        expect(failures(await prove(target, red)).map(({ name }) => name)).toEqual(red.map(({ name }) => name))
      })

      it('each alteration turns the proof red, by name, and only that', async () => {
        for (const { name, change, undo, red } of harness.tamperings) {
          await change(target)
          const found = failures(await prove(target)).map((assertion) => assertion.name)
          expect(found.length, name).toBeGreaterThan(0)
          expect(found, name).toEqual(found.map(() => expect.stringMatching(red)))
          await undo(target)
        }
        expect(failures(await prove(target))).toEqual([])
      })

      it('again over a first that was left running, it proves equal', async () => {
        target = (await restore(dir())).target
        expect(failures(await prove(target))).toEqual([])
      })

      it('is destroyed once and again, with its processes', async () => {
        expect(await harness.alive(dir())).toBe(true)
        await harness.driver.destroy({ dir: dir() })
        await harness.driver.destroy({ dir: dir() })
        expect(await harness.alive(dir())).toBe(false)
      })
    })

    it('a restore that is stopped halfway leaves no process, and a second try succeeds', async () => {
      const dir = join(harness.scratchRoot, 'halfway')
      let steps = 0
      await restore(
        dir,
        contextFor(() => {
          steps += 1
          return false
        }),
      )
      await harness.driver.destroy({ dir })
      await expect(
        restore(
          dir,
          contextFor((_, count) => count === Math.max(1, Math.floor(steps / 2))),
        ),
      ).rejects.toMatchObject({ code: 'CANCELLED' })
      expect(await harness.alive(dir)).toBe(false)
      const { target } = await restore(dir)
      expect(failures(await prove(target))).toEqual([])
      await harness.driver.destroy({ dir })
    })
  })
}
