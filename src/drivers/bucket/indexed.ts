/** The index of a point, which every kind of point has. */
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { type Entry, entriesOf, type Facts } from './entries.ts'

export const INDEX = 'index'

export interface Point {
  manifest: Manifest
  source: ArtifactSource
  context: DriverContext
}

export async function fetchIndex({ manifest, source }: Point, path: string): Promise<void> {
  const index = manifest.artifacts.find(({ part }) => part === INDEX)
  if (!index) throw damaged(manifest, 'names no index')
  await rm(path, { force: true })
  await source.toFile(index, path)
}

export const entriesIn = <T extends Facts = Entry>(path: string): AsyncGenerator<T> =>
  entriesOf<T>(createReadStream(path, { highWaterMark: 256 * 1024 }))

export function damaged({ source, id }: Manifest, what: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `the point ${id} ${what}`, { object: `${source}/${id}` })
}
