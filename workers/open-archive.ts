/** An archive of `holdfast wal-push` where it can be read: in its own repository, else in one that has a copy of it. */
import { inTime } from '../activities/in-time.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { placesOfLog } from '../src/config/logs.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { openStore } from '../src/storage/open.ts'
import { type FetchingArchive, holdsSome } from '../src/wal/fetch.ts'

/** Where no repository gives any of it, it is that of its own that says why. */
export async function openArchive(config: Config, archive: string): Promise<FetchingArchive> {
  const [own, ...copies] = placesOfLog(config, archive)
  if (own === undefined)
    throw new HoldfastError('NOT_FOUND', `No archive "${archive}"; there is ${Object.keys(config.archives).join(', ') || 'none'}`, {
      object: archive,
    })
  if (copies.length === 0) return openIn(config, archive, own)
  for (const repository of [own, ...copies]) {
    const found = await inTime(reading(config, archive, repository), repository).catch((error: unknown) => {
      if (error instanceof HoldfastError) return undefined
      throw error
    })
    if (found) return repository === own ? found : { ...found, copyIn: repository }
  }
  return openIn(config, archive, own)
}

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
