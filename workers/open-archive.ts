/** An archive of `holdfast wal-push` where it can be read: in its own repository, else in one that has a copy of it. */
import { inTime } from '../activities/in-time.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { placesOfLog } from '../src/config/logs.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { openStore } from '../src/storage/open.ts'
import { readTogether } from '../src/storage/together.ts'
import { type FetchingArchive, holdsSome } from '../src/wal/fetch.ts'

/** `together`: what one of these repositories lacks is read from another. Where none gives any of it, it is its own that says why. */
export async function openArchive(config: Config, archive: string, { together = false } = {}): Promise<FetchingArchive> {
  const [own, ...copies] = placesOfLog(config, archive)
  if (own === undefined)
    throw new HoldfastError('NOT_FOUND', `No archive "${archive}"; there is ${Object.keys(config.archives).join(', ') || 'none'}`, {
      object: archive,
    })
  if (copies.length === 0) return openIn(config, archive, own)
  const opened = async (most = Number.POSITIVE_INFINITY) => {
    const found: FetchingArchive[] = []
    for (const repository of [own, ...copies]) {
      if (found.length >= most) break
      const one = await answering(config, archive, repository)
      if (one) found.push(repository === own ? one : { ...one, copyIn: repository })
    }
    return found
  }
  const found = await opened(together ? undefined : 1)
  const [first, ...others] = found
  if (!first) return openIn(config, archive, own)
  const store = others.length === 0 ? first.store : readTogether(found.map(({ store }) => store))
  return { ...first, store, places: () => opened() }
}

/** Undefined where it cannot be read. */
const answering = (config: Config, archive: string, repository: string): Promise<FetchingArchive | undefined> =>
  inTime(reading(config, archive, repository), repository).catch((error: unknown) => {
    if (error instanceof HoldfastError) return undefined
    throw error
  })

/** Undefined where it holds nothing: a disk that is not mounted looks like that. */
async function reading(config: Config, archive: string, repository: string): Promise<FetchingArchive | undefined> {
  const opened = await openIn(config, archive, repository)
  let some = false
  try {
    some = await holdsSome(opened)
  } finally {
    if (!some) opened.store.close()
  }
  return some ? opened : undefined
}

async function openIn(config: Config, archive: string, repository: string) {
  const found = config.repositories[repository]
  if (!found) throw new HoldfastError('NOT_FOUND', `No repository "${repository}"`, { object: repository })
  const verifier = createVerifier(config.signing.publicKeys)
  return { archive, store: await openStore(found), verifier, identityFile: config.encryption.identityFile }
}
