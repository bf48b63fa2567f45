/** The artifacts of a point by what they are, and the collections that are asked for by name. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'

export type Role = 'snapshot' | 'config' | 'sample' | 'export'

export const partName = (collection: string, role: Role, peer?: string): string =>
  `collections/${encodeURIComponent(collection)}/${role}${peer === undefined ? '' : `.${peer}`}`

export const ALIASES = 'aliases'

/** What a snapshot's artifact says of it beside the bytes. */
export interface SnapshotFacts {
  snapshot: string
  sha256?: string
  peer: string
  shards: string
}

export const collectionOf = ({ part }: Artifact): string => decodeURIComponent(part.split('/')[1] ?? '')

/** Of a point, in order. */
export const collectionsIn = ({ artifacts }: Manifest): string[] => [
  ...new Set(artifacts.filter(({ role }) => role === 'config').map(collectionOf)),
]

export const artifactsOf = ({ artifacts }: Manifest, collection: string, role: Role): Artifact[] =>
  artifacts.filter((artifact) => artifact.role === role && collectionOf(artifact) === collection)

export function artifactOf(manifest: Manifest, collection: string, role: Role): Artifact {
  const [found] = artifactsOf(manifest, collection, role)
  if (found) return found
  throw new HoldfastError('NOT_FOUND', `${manifest.source}/${manifest.id} has no ${role} of ${collection}`, {
    object: collection,
    next:
      role === 'export' ? 'restore its snapshot: leave mode out; or choose a point that has an export' : 'choose another recovery point',
  })
}

/** How many bytes a part has by itself; an upload has to say it first. */
export function plainBytesOf({ plainBytes, key }: Artifact): number {
  if (plainBytes !== undefined) return plainBytes
  throw new HoldfastError('INTEGRITY', `the manifest does not say how large ${key} is`, { object: key })
}

/** The collections that are wanted. Throws INPUT_INVALID for names that the point has not. */
export function wantedOf(manifest: Manifest, { parts, into }: RestoreChoice): string[] {
  const known = collectionsIn(manifest)
  const unknown = parts?.find((part) => !known.includes(part))
  if (unknown !== undefined)
    throw new HoldfastError('INPUT_INVALID', `${manifest.id} has no collection ${unknown}`, {
      object: unknown,
      next: `name ${known.join(', ')}`,
    })
  const wanted = parts ? known.filter((name) => parts.includes(name)) : known
  if (into !== undefined && wanted.length !== 1)
    throw new HoldfastError('INPUT_INVALID', 'a new name is for one collection', { object: into, next: 'name one collection in parts' })
  return wanted
}
