/** A restore over the bucket: the whole point is read first, then what differs is written, and last what is too many is deleted. */
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { type Asked, requireConfirmed } from '../common/confirm.ts'
import { makeOwnFolder, removeOwnFolder } from '../common/own-folder.ts'
import type { Filling, LiveRestore, RestoreChoice } from '../driver.ts'
import { requireKept } from './as-of.ts'
import { fingerprintOf, type Origin, withBucket } from './client.ts'
import type { Contents } from './contents.ts'
import { contentsOf } from './contents-of.ts'
import { entriesIn } from './indexed.ts'
import { destinationOf, requireShort, targetOf } from './into.ts'
import { indexIn } from './places.ts'
import { putBack, requireEmpty } from './put-back.ts'
import { picksOf } from './selection.ts'
import { requireNoPoints } from './spared.ts'

export function createLive(origin: Origin): LiveRestore {
  const fingerprint = (choice: RestoreChoice = {}) => {
    const { origin: there, below } = targetOf(origin, choice)
    return withBucket(there, (bucket) => fingerprintOf(there, bucket, below))
  }
  const asked = async (choice: RestoreChoice): Promise<Asked> => {
    const { origin: there, below } = targetOf(origin, choice)
    return {
      fingerprint: await fingerprint(choice),
      target: `the live bucket ${there.config.bucket}${below && ` below ${below}`} has`,
      meaning: 'this is the bucket to replace',
    }
  }
  return {
    fingerprint,
    async check(manifest, confirm, choice = {}, looking) {
      const context = looking?.context ?? { signal: new AbortController().signal, onProgress: () => {} }
      await requireNoPoints(origin, choice, context)
      requireConfirmed(manifest, confirm, await asked(choice))
      const { to } = choice
      if (to !== undefined) await withBucket(origin, (bucket) => requireKept(bucket, { time: to, context }))
      await requireEmpty(origin, choice, context)
    },
    async restoreAside(context, manifest, source, place) {
      if (!place) throw noFolder(origin)
      try {
        await readThrough(origin, contentsOf(origin, { manifest, source, context }, place.choice), place)
      } catch (error) {
        throw context.signal.aborted
          ? new HoldfastError('CANCELLED', 'the point was not read to its end', {
              object: `${manifest.source}/${manifest.id}`,
              cause: error,
            })
          : error
      } finally {
        await removeOwnFolder(place.dir)
      }
      return { database: place.choice.into ?? origin.config.bucket, bytes: manifest.sizeBytes }
    },
    async swap(manifest, confirm, _oid, filling?: Filling) {
      if (!filling) throw noFolder(origin)
      const { context, dir, choice, source } = filling
      requireConfirmed(manifest, confirm, await asked(choice))
      try {
        await makeOwnFolder(dir)
        return await putBack(origin, contentsOf(origin, { manifest, source, context }, choice), context, dir, choice)
      } catch (error) {
        throw context.signal.aborted
          ? new HoldfastError('CANCELLED', `the restore over ${origin.config.bucket} was cancelled`, {
              object: origin.config.bucket,
              cause: error,
              next: 'a part of it may be in the bucket: start it again, it goes on with what differs',
            })
          : error
      } finally {
        await removeOwnFolder(dir)
      }
    },
    removeAside: async (_manifest, place) => place && removeOwnFolder(place.dir),
  }
}

/** A bucket has no second name to swap with: damage has to be found before the first object is written. */
async function readThrough(origin: Origin, contents: Contents, { dir, choice }: { dir: string; choice: RestoreChoice }): Promise<void> {
  await makeOwnFolder(dir)
  await contents.fetchIndex(indexIn(dir))
  const [picks, to] = [picksOf(choice.parts), destinationOf(origin, choice)]
  async function* chosen() {
    for await (const entry of entriesIn(indexIn(dir))) {
      if (!picks.takes(entry.key)) continue
      requireShort(to, entry)
      yield entry
    }
    picks.requireAll()
  }
  await contents.check(join(dir, 'lists'), chosen())
}

const noFolder = ({ wiring }: Origin) =>
  new HoldfastError('UNEXPECTED', 'a restore over a bucket needs a folder for its lists', { object: wiring.source })
