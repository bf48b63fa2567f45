/** Every assertion of a proof: of the archive by itself, and of the server that was restored from it, where there is one. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { factsOfFile } from './archive.ts'
import { compareContents } from './compare.ts'
import { encodePath } from './facts.ts'
import { archiveIn, open, readNote, restoredPlace, sealAgain } from './scratch.ts'
import { type Vault, type Work, withVault } from './server.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

const ON_SERVER = 'restored on a server'

export async function verify(
  work: Work,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Pick<Target, 'dir'>,
  options: VerifyOptions,
): Promise<Assertion[]> {
  const archive = await archiveAssertion(manifest, dir)
  const place = restoredPlace(work)
  const note = await readNote(dir)
  if (!place || note?.url === undefined)
    return [archive, notOnServer('no server is configured for it: give the source scratch; only the checksums are proved')]
  if (note.damaged !== undefined) return [archive, notOnServer(note.damaged)]
  const found = await withVault(work, place, context.signal, async (vault) => {
    try {
      return await onServer(work, context, manifest, vault, options)
    } catch (error) {
      if (context.signal.aborted || !(error instanceof HoldfastError) || error.retryable) throw error
      return [notOnServer(messageOf(error))]
    }
  })
  return [archive, ...found, await sealedAssertion(work)]
}

const notOnServer = (actual: string): Assertion => ({ name: ON_SERVER, ok: false, expected: 'opens with the keys of the source', actual })

async function archiveAssertion({ inventory = {} }: Manifest, dir: string): Promise<Assertion> {
  const text = (facts: object) => JSON.stringify(Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1)))
  const expected = text(inventory['snapshot'] ?? {})
  const actual = await factsOfFile(archiveIn(dir)).then(text, messageOf)
  return { name: 'archive', ok: actual === expected, expected, actual }
}

async function onServer(
  work: Work,
  context: DriverContext,
  manifest: Manifest,
  vault: Vault,
  options: VerifyOptions,
): Promise<Assertion[]> {
  context.onProgress({ phase: 'open scratch' })
  await open(work, vault)
  const results: Assertion[] = [{ name: ON_SERVER, ok: true, expected: 'opens with the keys of the source', actual: `opened ${vault.url}` }]
  results.push(...(await compareContents(vault, manifest, options.depth, () => context.onProgress({ phase: 'compare' }))))
  for (const assertion of options.assertions) results.push(await userAssertion(vault, assertion))
  return results
}

/** Whether there is something; what it is goes nowhere. */
async function userAssertion(vault: Vault, assertion: UserAssertion): Promise<Assertion> {
  const words = (there: boolean) => (there ? 'there' : 'not there')
  const { name } = assertion
  const expected = words(assertion['exists'] !== false)
  try {
    const { status } = await vault.ask('GET', encodePath(String(assertion['read'])), { accept: [404] })
    const actual = words(status !== 404)
    return { name, ok: actual === expected, expected, actual }
  } catch (error) {
    // A question that cannot be asked is a red one.
    if (vault.signal?.aborted || !(error instanceof HoldfastError)) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}

async function sealedAssertion(work: Work): Promise<Assertion> {
  const actual = await sealAgain(work).then(
    () => 'sealed',
    (error: unknown) => messageOf(error),
  )
  return { name: 'scratch sealed again', ok: actual === 'sealed', expected: 'sealed', actual }
}
