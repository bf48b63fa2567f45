/** Where copies of the objects are kept: a bucket with versions, of another region or store, which a point then only points into. */
import type { Inventory, Manifest } from '../../core/records.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import { type Origin, versioningOf, withBucket } from './client.ts'
import type { VersionsAt } from './versioned-contents.ts'

export type Copies = Pick<VersionsAt, 'origin' | 'below'>

/** What is not given is as at the source. */
export function copiesTo(origin: Origin): Copies | undefined {
  const { copyTo } = origin.config
  if (!copyTo) return undefined
  const { prefix: below, ...own } = copyTo
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined))
  return { origin: { ...origin, config: { ...origin.config, ...given } }, below }
}

/** Where they are stands in the point; the keys to them in the configuration, as it is now. */
export function copiesOf(origin: Origin, { inventory }: Manifest): Copies | undefined {
  const facts = inventory?.['copies']
  if (!facts) return undefined
  const text = (name: string) => (facts[name] === undefined ? undefined : String(facts[name]))
  const configured = copiesTo(origin)
  const at = configured && configured.origin.config.bucket === facts['bucket'] ? configured.origin : origin
  const place = { bucket: text('bucket') ?? '', region: text('region') ?? at.config.region, endpoint: text('endpoint') }
  return { origin: { ...at, config: { ...at.config, ...place } }, below: text('prefix') ?? '' }
}

export function factsOfCopies({ origin: { config }, below }: Copies): Inventory[string] {
  const { bucket, region, endpoint } = config
  return { bucket, region, ...(endpoint !== undefined && { endpoint }), ...(below !== '' && { prefix: below }) }
}

export async function copiesFindings(origin: Origin, { signal }: DriverContext): Promise<Preflight['findings']> {
  const copies = copiesTo(origin)
  if (!copies) return []
  const finding = (ok: boolean, detail: string, next: string) => [{ name: 'copyTo', ok, required: true, detail, ...(!ok && { next }) }]
  const { bucket, endpoint } = copies.origin.config
  if (bucket === origin.config.bucket && endpoint === origin.config.endpoint)
    return finding(false, `${bucket} is the source itself: with it the copies are lost`, 'name another bucket')
  return withBucket(copies.origin, async (there) => {
    const status = (await versioningOf(there, signal)) ?? 'off'
    const detail = `versioning of ${there.title}, where the copies are, is ${status}`
    return finding(status === 'Enabled', detail, 'switch it on: without it a copy that is written over is gone from every point')
  })
}
