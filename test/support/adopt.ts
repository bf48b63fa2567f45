/** Backups that were taken without Holdfast, adopted by a driver alone: found, taken, and the manifest around each. */
import type { Manifest } from '../../src/core/records.ts'
import type { FoundBackups, SourceDriver } from '../../src/drivers/driver.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { contextFor, type Repository } from '../conformance/driver.ts'
import { manifestOf } from './manifest.ts'

const NOTHING: ReadonlySet<string> = new Set()

export async function findIn(driver: SourceDriver, from: string[], known = NOTHING): Promise<FoundBackups> {
  if (!driver.adoption) throw new Error(`${driver.kind} adopts nothing`)
  return driver.adoption.find(contextFor(), from, known)
}

let points = 0

export async function adoptFrom(
  driver: SourceDriver,
  { store, identity }: Pick<Repository, 'store'> & { identity: { recipient: string } },
  from: string[],
): Promise<Manifest[]> {
  const manifests: Manifest[] = []
  for (const backup of (await findIn(driver, from)).backups) {
    const id = `20250101_000000_adopted_${++points + 1}`
    const sink = createSink({ store, prefix: `holdfast/v1/orders/${id}/data/`, attempt: 1, recipients: [identity.recipient] })
    const captured = await driver.adoption?.take(contextFor(), backup, id, sink)
    if (!captured) throw new Error(`${driver.kind} adopts nothing`)
    const { kind, createdAt, completedAt, origin, tags } = backup
    const manifest = manifestOf(driver.kind, { id, kind, attempt: 1 }, captured, captured.versions)
    manifests.push({ ...manifest, createdAt, completedAt, tags, adopted: { from: backup.from, origin } })
  }
  return manifests
}
