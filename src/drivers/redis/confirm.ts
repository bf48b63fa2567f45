/** Which live server it is that a restore goes over, and that somebody has said so. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { type Client, infoOf } from './connect.ts'

export interface Confirmed {
  manifest: Manifest
  confirm: string
}

/**
 * Where the server is, and which of all that ever ran there: a restart is to be confirmed anew, since it may have loaded
 * something else. Nothing of the contents, which change while somebody reads the fingerprint.
 */
export async function fingerprintOf(client: Client, place: string): Promise<string> {
  return `${place}/${(await infoOf(client, 'server'))['run_id']}`
}

export async function requireConfirmed(client: Client, place: string, { manifest, confirm }: Confirmed): Promise<void> {
  const fingerprint = await fingerprintOf(client, place)
  if (confirm === fingerprint) return
  throw new HoldfastError(
    'CONFIRM_MISMATCH',
    `the live server ${place} has the fingerprint ${fingerprint}; ${confirm ? `confirmed was ${confirm}` : 'nothing was confirmed'}`,
    {
      object: fingerprint,
      next: `if this is the server to restore over: holdfast restore ${manifest.source} ${manifest.id} --live --confirm ${fingerprint}`,
      details: { fingerprint },
    },
  )
}
