/** The confirmation that a restore over a live folder asks for, which says what would change. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { confirmMismatch } from '../common/confirm.ts'
import { changeLines } from '../difference.ts'
import type { Difference } from '../driver.ts'
import { fingerprintOf, type Place } from './target.ts'

/** `look` says what the restore would change. */
export async function requireFolder(place: Place, manifest: Manifest, confirm: string, look?: () => Promise<Difference>): Promise<void> {
  const fingerprint = fingerprintOf(place)
  if (confirm === fingerprint) return
  const target = `the live folder ${place.root} has`
  const refusal = confirmMismatch(manifest, confirm, { fingerprint, target, meaning: 'this is the folder to replace' })
  if (!look) throw refusal
  const difference = await look().catch(messageOf)
  const said = typeof difference === 'string' ? `What it would change is not known: ${difference}` : inWords(difference)
  throw new HoldfastError('CONFIRM_MISMATCH', `${refusal.message}. ${said}`, {
    object: fingerprint,
    next: refusal.next,
    details: { fingerprint, ...(typeof difference === 'object' && { difference }) },
  })
}

function inWords(difference: Difference): string {
  const { added, changed, removed, same } = difference
  return `The restore would add ${added}, change ${changed}, remove ${removed} and leave ${same}: ${changeLines(difference).join(', ') || 'nothing'}`
}
