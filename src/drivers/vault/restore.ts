/** A point restored to be looked at: read and checked in a folder of the worker, and put on the scratch where there is one. */
import type { Manifest } from '../../core/records.ts'
import { HoldfastError } from '../../core/errors.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import { makeOwnFolder } from '../common/own-folder.ts'
import type { ArtifactSource, DriverContext, Restored } from '../driver.ts'
import { factsOfFile, type SnapshotFacts } from './archive.ts'
import { archiveIn, destroy, firstPlace, FORCE, open, requireOther, restoredPlace, writeNote } from './scratch.ts'
import { isStatus, type Work, withVault } from './server.ts'

export async function restoreScratch(
  work: Work,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  dir: string,
): Promise<Restored> {
  const url = work.config.scratch?.url
  await destroy(work, dir)
  try {
    await fetchArchive(context, manifest, source, dir)
    if (url !== undefined) await putOnScratch(work, context, manifest, dir)
  } catch (error) {
    await destroy(work, dir)
    throw orCancelled(error, context.signal, `the restore of ${manifest.id}`, dir)
  }
  return {
    target: {
      kind: 'scratch',
      dir,
      connection: url ?? archiveIn(dir),
      database: url === undefined ? archiveIn(dir) : 'vault',
      connect: url === undefined ? `tar tzf ${shellWord(archiveIn(dir))}` : `curl ${shellWord(`${url}/v1/sys/seal-status`)}`,
    },
    bytes: manifest.sizeBytes,
    notes: [
      url === undefined
        ? `${archiveIn(dir)} is the snapshot, whole by its checksums; it was restored on no server`
        : `${url} has the contents of the source, and is sealed: it opens with the keys of the source, and its tokens hold there`,
    ],
  }
}

/** The archive as a file in a new folder, whole and the one that was captured. */
export async function fetchArchive(
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  dir: string,
): Promise<SnapshotFacts> {
  await makeOwnFolder(dir)
  const artifact = manifest.artifacts.find(({ role }) => role === 'snapshot')
  if (!artifact) throw new HoldfastError('INTEGRITY', `${manifest.id} has no snapshot among its artifacts`, { object: manifest.id })
  step(context, 'fetch')
  await source.toFile(artifact, archiveIn(dir))
  step(context, 'check')
  return factsOfFile(archiveIn(dir))
}

function step({ signal, onProgress }: DriverContext, phase: string): void {
  onProgress({ phase })
  signal.throwIfAborted()
}

async function putOnScratch(work: Work, context: DriverContext, manifest: Manifest, dir: string): Promise<void> {
  const places = [firstPlace(work), restoredPlace(work)].filter((place) => place !== undefined)
  const [first] = places
  if (!first) return
  await withVault(work, first, context.signal, async (vault) => {
    step(context, 'open scratch')
    await writeNote(dir, { url: vault.url })
    await open(work, vault)
    await requireOther(work, vault, manifest).catch(async (error: unknown) => {
      // It is not ours to seal.
      await writeNote(dir, {})
      throw error
    })
  })
  step(context, 'restore')
  for (const place of places) {
    const done = await withVault(work, place, context.signal, (vault) =>
      vault.upload(FORCE, archiveIn(dir)).then(
        () => true,
        async (error: unknown) => {
          // One of the two is of the life that the scratch has now.
          if (isStatus(error, 403)) return false
          if (!(error instanceof HoldfastError) || error.code !== 'INTEGRITY') throw error
          await writeNote(dir, { url: vault.url, damaged: error.message })
          return true
        },
      ),
    )
    if (done) return
  }
  throw new HoldfastError('SOURCE_UNFIT', `no token may restore on the scratch ${first.url}`, {
    object: first.url,
    next: `give it a policy with path "${FORCE}" { capabilities = ["create", "update", "sudo"] }: scratch.token on the scratch, scratch.restoredToken on the source`,
  })
}
