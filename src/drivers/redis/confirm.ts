/** Which live server it is that a restore goes over, and that somebody has said so. */
import type { Manifest } from '../../core/records.ts'
import { requireConfirmed } from '../common/confirm.ts'
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

export async function requireServer(client: Client, place: string, { manifest, confirm }: Confirmed): Promise<void> {
  const target = `the live server ${place} has`
  requireConfirmed(manifest, confirm, {
    fingerprint: await fingerprintOf(client, place),
    target,
    meaning: 'this is the server to restore over',
  })
}
