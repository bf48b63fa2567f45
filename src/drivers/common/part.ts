/** A point's artifacts by the names of their parts. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { ArtifactSource } from '../driver.ts'

/** Throws INTEGRITY where the point has none of the name. */
export function partOf(manifest: Manifest, part: string): Artifact {
  const found = manifest.artifacts.find((artifact) => artifact.part === part)
  const object = `${manifest.source}/${manifest.id}`
  if (!found) throw new HoldfastError('INTEGRITY', `${object} has no part ${part}`, { object })
  return found
}

/** The text of a part that fits into memory. */
export async function readPart(manifest: Manifest, source: ArtifactSource, part: string): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(partOf(manifest, part))) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
