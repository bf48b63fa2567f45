/** The index of a point, which every kind of point has. */
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { type Entry, entriesOf, type Facts } from './entries.ts'

export const INDEX = 'index'

export interface Point {
  manifest: Manifest
  source: ArtifactSource
  context: DriverContext
}

export async function fetchIndex({ manifest, source }: Point, path: string): Promise<void> {
  await rm(path, { force: true })
  await source.toFile(indexOf(manifest), path)
}

export const readIndex = ({ manifest, source }: Point): Promise<Readable> => source.read(indexOf(manifest))

function indexOf(manifest: Manifest): Artifact {
  const index = manifest.artifacts.find(({ part }) => part === INDEX)
  if (!index) throw damaged(manifest, 'names no index')
  return index
}

export const entriesIn = <T extends Facts = Entry>(path: string): AsyncGenerator<T> =>
  entriesOf<T>(createReadStream(path, { highWaterMark: 256 * 1024 }))

export function damaged({ source, id }: Manifest, what: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `the point ${id} ${what}`, { object: `${source}/${id}` })
}
