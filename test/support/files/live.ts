/** A folder of one test with a source on it, and a repository: what tests of restores over it and beside it have in common. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import type { Manifest } from '../../../src/core/records.ts'
import type { LiveRestore, RestoreChoice } from '../../../src/drivers/driver.ts'
import { filesSource } from '../../../src/drivers/files/config.ts'
import { createFiles } from '../../../src/drivers/files/index.ts'
import { createSource } from '../../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../../conformance/driver.ts'

export let dir: string
export let root: string
export let repository: Repository

/** Before and after each test of the file that calls it. */
export function useFolder(): void {
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
    root = join(dir, 'root')
    await mkdir(root)
    repository = await openRepository()
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
    await rm(repository.dir, { recursive: true, force: true })
  })
}

export const driverOf = (more: object = {}) => createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root, ...more }))
export const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
export const put = async (name: string, text = name): Promise<void> => {
  await mkdir(join(root, name, '..'), { recursive: true })
  await writeFile(join(root, name), text)
}
export const text = (name: string) => readFile(join(root, name), 'utf8').catch(() => undefined)
export const take = (driver = driverOf()): Promise<Manifest> => takePoint(driver, repository, nextRequest())
export const live = (driver = driverOf()) => driver.live as LiveRestore
export const filling = (choice: RestoreChoice, run = 'restore-1') => ({
  context: contextFor(),
  source: source(),
  dir: join(dir, run),
  choice,
})

/** Confirmed, checked and filled in beside it: `swap` puts it in the place. */
export async function restoreOver(manifest: Manifest, choice: RestoreChoice = {}, driver = driverOf()) {
  const confirm = await live(driver).fingerprint()
  await live(driver).check(manifest, confirm, choice)
  const { oid } = await live(driver).restoreAside(contextFor(), manifest, source(), { dir: join(dir, 'restore-1'), choice })
  return { swap: () => live(driver).swap(manifest, confirm, oid, filling(choice)), confirm, oid }
}
export const diff = (manifest: Manifest, choice: RestoreChoice = {}, driver = driverOf()) =>
  driver.diff?.(manifest, choice, { context: contextFor(), source: source() })
/** What stands beside the root: nothing but what is kept may stay. */
export const beside = async () => (await readdir(dir)).filter((name) => name !== 'root').sort()
