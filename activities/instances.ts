/** Where instances that a recovery made live on this worker; their names come from runs, and lead nowhere else. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../src/core/errors.ts'
import type { SourceDriver } from '../src/drivers/driver.ts'
import type { RunningContext } from './context.ts'
import { type Services, sourceOf } from './services.ts'

type Destroyer = Pick<SourceDriver, 'destroy'>

export function instanceDir(services: Services, source: string, instance: string): string {
  if (!/^(pitr|restore|proof)-[0-9a-zA-Z-]+$/.test(instance)) {
    throw new HoldfastError('INPUT_INVALID', `"${instance}" is no instance of a recovery`, {
      object: instance,
      next: 'name it as the recovery printed it, like pitr-20260115T120000000Z',
    })
  }
  return join(services.scratchRoot(sourceOf(services.config, source)), instance)
}

/**
 * Fills an instance of this try's own: one that was frozen and thaws takes nothing down that a later one made. What
 * earlier tries left goes first; what this one made goes again where nobody waits for it any more.
 */
export async function withOwnInstance<T>(
  context: RunningContext,
  driver: Destroyer,
  { dir, instance }: { dir: string; instance: string },
  fill: (own: { dir: string; instance: string }) => Promise<T>,
): Promise<T> {
  const ofTry = (attempt: number) => (attempt > 1 ? `-${attempt}` : '')
  for (let earlier = 1; earlier < context.attempt; earlier += 1) await driver.destroy({ dir: `${dir}${ofTry(earlier)}` })
  const own = { dir: `${dir}${ofTry(context.attempt)}`, instance: `${instance}${ofTry(context.attempt)}` }
  try {
    const filled = await fill(own)
    await context.requireCurrent()
    return filled
  } catch (error) {
    await driver.destroy({ dir: own.dir })
    throw error
  }
}

/** The folders of the instance, one for each try that left one. */
export async function instanceFolders(dir: string): Promise<string[]> {
  const name = basename(dir)
  const entries = await readdir(dirname(dir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[]
    throw error
  })
  const ofTry = (entry: string) => entry.startsWith(`${name}-`) && /^\d+$/.test(entry.slice(name.length + 1))
  return entries.filter((entry) => entry === name || ofTry(entry)).map((entry) => join(dirname(dir), entry))
}

/** Removes the instance of every try. */
export async function destroyInstances(driver: Destroyer, dir: string): Promise<void> {
  for (const folder of await instanceFolders(dir)) await driver.destroy({ dir: folder })
}
