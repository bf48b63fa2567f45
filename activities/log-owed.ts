/** What of a log its copies are still to be given: the points there are replayed with it, and once it is gone the gap stays for ever. */
import { copiedLogs, ownersOf, placesOfLog } from '../src/config/logs.ts'
import { heldIn } from '../src/wal/contents.ts'
import { knownOf, together } from './archive-expiry.ts'
import { formerIn } from './log-points.ts'
import { type ExaminedLog, leavingOf, type LogPlace } from './logs.ts'
import { type Services, sourceOf } from './services.ts'

/** The same, up to the first segment that a copy needs and lacks. Throws what the repository of a copy fails with. */
export async function withoutOwed<T extends ExaminedLog>(services: Services, place: LogPlace, examined: T, host?: string): Promise<T> {
  let left = examined
  if (place.repository !== undefined) return left
  const [, ...copies] = placesOfLog(services.config, place.archive)
  for (const to of copies) if (left.go.length > 0) left = await withoutOwedTo(to, services, place, left, host)
  return left
}

async function withoutOwedTo<T extends ExaminedLog>(
  to: string,
  services: Services,
  { source, archive }: LogPlace,
  examined: T,
  host: string | undefined,
): Promise<T> {
  const { config } = services
  const { go, held, needed } = examined
  const owners = ownersOf(config, archive).filter((name) => copiedLogs(config, sourceOf(config, name), to).includes(archive))
  const known = [...owners.map((name) => knownOf(services, name, to)), formerIn(services, { source, archive }, to)]
  const { points, untrusted } = together(await Promise.all(known))
  const wanted = (await leavingOf(services, { source, archive }, { points, host }))(held)
  if (untrusted.length === 0 && wanted.left !== undefined) return examined
  const there = (await heldIn({ archive, store: await services.store(to) })).held.map(({ name }) => name)
  const settled = new Set([...there, ...(untrusted.length > 0 ? [] : wanted.go)])
  const first = go.findIndex((name) => !settled.has(name))
  if (first < 0) return examined
  const by = `${untrusted[0] ?? wanted.needed?.by} in ${to}, which lacks them,`
  return { ...examined, go: go.slice(0, first), needed: { segments: go.length - first + (needed?.segments ?? 0), by } }
}
