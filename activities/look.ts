/** The proofs that restore nothing: `list` asks the store and the engine what they have, `read` reads all of it again. */
import { HoldfastError } from '../src/core/errors.ts'
import type { Assertion, Manifest } from '../src/core/records.ts'
import type { DriverContext, SourceDriver } from '../src/drivers/driver.ts'
import { readBack } from '../src/pipeline/read-back.ts'
import type { HeadersOf } from '../src/pipeline/under-header.ts'
import type { Store } from '../src/storage/store.ts'

export interface Looking {
  store: Store
  identityFile: string | undefined
  headersOf?: HeadersOf | undefined
  /** Asked of points that reference an engine's repository. */
  driver(): Promise<Pick<SourceDriver, 'kind' | 'listReference' | 'verifyRepository'>>
}

export async function lookAt(on: Looking, context: DriverContext, manifest: Manifest, depth: 'list' | 'read'): Promise<Assertion[]> {
  const listed = await listAssertions(on.store, manifest)
  const read = depth === 'read' ? await readAssertions(on, manifest, context) : []
  return [...listed, ...(manifest.reference ? await engineAssertions(on, context, manifest, depth) : []), ...read]
}

/** A proof that looked at nothing has found nothing, and proves nothing. */
export function refuseEmpty(assertions: Assertion[]): Assertion[] {
  if (assertions.length > 0) return assertions
  return [
    { name: 'something to look at', ok: false, expected: 'at least one assertion', actual: 'none: neither artifacts nor a reference' },
  ]
}

async function engineAssertions(on: Looking, context: DriverContext, manifest: Manifest, depth: 'list' | 'read'): Promise<Assertion[]> {
  const driver = await on.driver()
  const listed = driver.listReference ? await driver.listReference(manifest) : [unasked(driver.kind)]
  // What is not even there need not be looked for among terabytes.
  if (depth === 'list' || listed.some(({ ok }) => !ok)) return listed
  if (!driver.verifyRepository) return [...listed, unasked(driver.kind)]
  context.onProgress({ phase: 'read the repository' })
  const { ok, problems } = await driver.verifyRepository(context, manifest)
  const actual = ok ? 'no problems' : problems.slice(0, MOST).join('; ') || 'not called ok'
  return [...listed, { name: 'engine repository', ok, expected: 'no problems', actual }]
}
/** Problems that a proof repeats: a lost disk has thousands. */
const MOST = 20

function unasked(kind: string): Assertion {
  return { name: 'engine', ok: false, expected: 'an answer about the referenced backup', actual: `the driver ${kind} cannot ask for it` }
}

async function listAssertions(store: Store, manifest: Manifest): Promise<Assertion[]> {
  const assertions: Assertion[] = []
  for (const artifact of manifest.artifacts) {
    const found = await store.head(artifact.key)
    const expected = `${artifact.storedBytes} bytes, crc32 ${artifact.storeChecksum?.value ?? 'not kept'}`
    const sameSum = !found?.crc32 || !artifact.storeChecksum || found.crc32 === artifact.storeChecksum.value
    assertions.push({
      name: `object ${artifact.part}`,
      ok: found?.size === artifact.storedBytes && sameSum,
      expected,
      actual: found ? `${found.size} bytes, crc32 ${found.crc32 ?? 'not kept'}` : 'absent',
    })
  }
  return assertions
}

async function readAssertions(
  { store, identityFile, headersOf }: Looking,
  manifest: Manifest,
  { signal }: DriverContext,
): Promise<Assertion[]> {
  const assertions: Assertion[] = []
  for (const artifact of manifest.artifacts) {
    try {
      await readBack(store, artifact, { identityFile, headersOf, signal })
      assertions.push({ name: `read ${artifact.part}`, ok: true, expected: artifact.blake3, actual: artifact.blake3 })
    } catch (error) {
      if (!(error instanceof HoldfastError) || !['INTEGRITY', 'NOT_FOUND'].includes(error.code)) throw error
      assertions.push({ name: `read ${artifact.part}`, ok: false, expected: artifact.blake3, actual: error.message })
    }
  }
  return assertions
}
