/** A restore over the store itself: the point is restored and verified beside it first, then given to the same restore for the store. */
import { HoldfastError } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { requireConfirmed } from '../common/confirm.ts'
import type { DriverContext, Filling, LiveRestore, Swapped } from '../driver.ts'
import type { Caller } from './call.ts'
import { destroy, feed, restoreScratch } from './restore.ts'
import { verify } from './verify.ts'

/** Absent where the source says nothing by which its store could be told from another. */
export function createLive(caller: Caller): LiveRestore | undefined {
  if (!caller.config.commands.fingerprint) return undefined
  return {
    fingerprint: () => fingerprintOf(caller),
    check: (manifest, confirm) => requireStore(caller, manifest, confirm),
    async restoreAside(context, manifest, source, place) {
      if (!place) throw new HoldfastError('UNEXPECTED', 'a restore needs a folder to try the point in', { object: caller.source })
      const { target, bytes } = await restoreScratch(caller, context, manifest, source, place.dir)
      try {
        await requireSound(
          await verify(caller, context, manifest, { target: 'scratch', dir: target.dir }, { depth: 'full', assertions: [] }),
          manifest,
          'restored beside the store',
        )
      } finally {
        await destroy(caller, place.dir)
      }
      return { database: caller.source, bytes }
    },
    swap: (manifest, confirm, _oid, filling) => swap(caller, manifest, confirm, filling),
    removeAside: async (_manifest, place) => place && destroy(caller, place.dir),
  }
}

/** The same before and after a restore: it names the store, not what is in it. */
async function fingerprintOf(caller: Caller): Promise<string> {
  const said = await caller.call('fingerprint', { target: 'live' }, {})
  const line = said?.stdout.trim().split('\n')[0] ?? ''
  if (line !== '') return line
  throw new HoldfastError('SOURCE_UNFIT', `the fingerprint of ${caller.source} printed nothing`, {
    object: caller.source,
    next: 'let it print one line that names the store',
  })
}

async function requireStore(caller: Caller, manifest: Manifest, confirm: string): Promise<void> {
  const target = `the live store of ${caller.source} has`
  requireConfirmed(manifest, confirm, { fingerprint: await fingerprintOf(caller), target, meaning: 'this is the store to replace' })
}

/** Repeated, it restores once more: what the source promises of its restore. */
async function swap(caller: Caller, manifest: Manifest, confirm: string, filling?: Filling): Promise<Swapped> {
  if (!filling) throw new HoldfastError('UNEXPECTED', 'a restore over a store needs the bytes of the point', { object: caller.source })
  const { context, source } = filling
  await requireStore(caller, manifest, confirm)
  await feed(caller, context, manifest, source, { target: 'live' })
  await requireSound(await lookAtLive(caller, context, manifest), manifest, 'restored over the store')
  return { database: caller.source, notes: ['what was replaced is in the safety backup, and nowhere else'] }
}

const lookAtLive = (caller: Caller, context: DriverContext, manifest: Manifest) =>
  verify(caller, context, manifest, { target: 'live' }, { depth: 'restore', assertions: [] })

function requireSound(assertions: Assertion[], manifest: Manifest, where: string): void {
  const red = assertions.filter(({ ok }) => !ok)
  if (red.length === 0) return
  const said = red.slice(0, 5).map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
  throw new HoldfastError('VERIFY_FAILED', `${manifest.id} ${where} is not sound: ${said.join('; ')}`, {
    object: `${manifest.source}/${manifest.id}`,
  })
}
