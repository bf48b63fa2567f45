/** Which version takes the snapshots of which: Qdrant promises it for the same minor version, and not for an older patch. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'

const numbers = (version: string): [number, number, number] => {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
  return [major, minor, patch]
}

export const versionIn = ({ versions }: Manifest): string => versions['qdrant'] ?? ''

/** A newer server is tried: a proof says how that went. Throws VERSION_UNFIT for an older one. */
export function requireTakes(manifest: Manifest, server: string, url: string): void {
  const [had, has] = [numbers(versionIn(manifest)), numbers(server)]
  const place = had.findIndex((number, index) => number !== has[index])
  if (place < 0 || (has[place] ?? 0) > (had[place] ?? 0)) return
  throw unfit(manifest, server, url)
}

/** What is live is not tried with. Throws VERSION_UNFIT unless it is what Qdrant promises. */
export function requirePromised(manifest: Manifest, server: string, url: string): void {
  const [had, has] = [numbers(versionIn(manifest)), numbers(server)]
  if (had[0] === has[0] && had[1] === has[1] && has[2] >= had[2]) return
  throw unfit(manifest, server, url)
}

const unfit = (manifest: Manifest, server: string, url: string) =>
  new HoldfastError('VERSION_UNFIT', `${manifest.id} has snapshots of Qdrant ${versionIn(manifest)}; ${url} is ${server}`, {
    object: url,
    next: 'restore the export, with mode upsert; or use a server of the same minor version, with that patch or a later one',
  })
