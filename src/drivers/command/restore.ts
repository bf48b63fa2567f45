/** A point given to the source's own restore: into a folder of its own, or over the store itself. */
import { stat } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import { makeOwnFolder, removeOwnFolder } from '../common/own-folder.ts'
import type { ArtifactSource, DriverContext, Restored } from '../driver.ts'
import { stopProcessesIn } from '../../process/in-folder.ts'
import type { Caller, Told } from './call.ts'

export async function restoreScratch(
  caller: Caller,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  dir: string,
): Promise<Restored> {
  await destroy(caller, dir)
  await makeOwnFolder(dir, caller.config.osUser)
  try {
    await feed(caller, context, manifest, source, { target: 'scratch', dir })
    context.signal.throwIfAborted()
    const look = `cd ${shellWord(dir)} && ls -la`
    return { target: { kind: 'scratch', dir, connection: dir, database: caller.source, connect: look }, bytes: manifest.sizeBytes }
  } catch (error) {
    const undone = await destroy(caller, dir).then(() => '', messageOf)
    if (context.signal.aborted || undone === '' || !(error instanceof HoldfastError))
      throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
    throw new HoldfastError(error.code, `${error.message}; and what it made was not removed: ${undone}`, {
      object: dir,
      next: error.next,
      details: error.details,
    })
  }
}

/** Resolves once the program has taken all of it and exited 0, and the bytes were those that were stored. */
export async function feed(caller: Caller, context: DriverContext, manifest: Manifest, source: ArtifactSource, told: Told): Promise<void> {
  const artifact = dataOf(manifest)
  context.onProgress({ phase: 'restore', totalBytes: manifest.sizeBytes })
  await caller.withinTime('restore', context.signal, async (signal) => {
    const command = await caller.command('restore', { ...told, point: manifest.id })
    if (!command) throw new HoldfastError('CONFIG_INVALID', `${caller.source} has no restore`, { object: caller.source })
    const stdin = await source.read(artifact)
    let damage: unknown
    stdin.once('error', (error) => {
      damage = error
    })
    const chain = startChain([command], { stdin, signal })
    try {
      // What it prints is for nobody, and a full pipe would stop it.
      for await (const _ of chain.stdout) context.signal.throwIfAborted()
      await chain.done
    } catch (error) {
      throw damage instanceof HoldfastError ? damage : error
    } finally {
      stdin.destroy()
      await chain.stop()
    }
  })
}

function dataOf(manifest: Manifest): Artifact {
  const found = manifest.artifacts.find(({ role }) => role === 'data')
  if (found) return found
  const object = `${manifest.source}/${manifest.id}`
  throw new HoldfastError('INTEGRITY', `the manifest of ${object} names no data`, { object })
}

/** The source's own first, which knows what stands outside of the folder; where that fails the folder stays, for a next try. */
export async function destroy(caller: Caller, dir: string): Promise<void> {
  if (!(await stat(dir).catch(() => undefined))) return
  await caller.call('destroy', { target: 'scratch', dir }, {})
  await stopProcessesIn(dir)
  await removeOwnFolder(dir)
}
