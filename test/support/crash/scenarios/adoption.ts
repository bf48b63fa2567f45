/** A backup from before Holdfast: one point of it, as old as it is, and nothing beside. */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AdoptResult } from '../../../../workflows/adopt.ts'
import { freshId, type Scenario } from '../scenario.ts'
import { common, idsOf, starting, type Subject } from './points.ts'
import { reportOf } from './restores.ts'

const DAY_MS = 24 * 3_600_000

export interface Manager {
  /** Below which the store's own manager keeps its backups. */
  dir: string
  /** The store. */
  path: string
}

export const adoption = (subject: Subject, manager: Manager): Scenario => ({
  name: 'adopt',
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const createdAt = new Date(Date.now() - DAY_MS).toISOString()
    const folder = await keepBackup(manager, createdAt)
    const before = new Set(await idsOf(subject))
    return {
      start: starting(lane, 'adopt', { source, from: [folder], requestedBy: 'crash' }),
      async compare(crashed) {
        const fresh = (await idsOf(subject)).filter((id) => !before.has(id))
        const told = reportOf<AdoptResult>(crashed)?.adopted.map(({ id }) => id) ?? []
        const count =
          fresh.length === 1 && fresh.join() === told.join() ? [] : [`new points: ${fresh.join(', ') || 'none'}; the run says ${told}`]
        const catalog = await lane.services.catalog('hot')
        const manifests = await Promise.all(fresh.map(async (id) => (await catalog.readManifest(source, id)).manifest))
        const strange = manifests
          .filter(({ adopted, createdAt: at }) => adopted?.from !== folder || at !== createdAt)
          .map(({ id, adopted, createdAt: at }) => `${id} is of ${adopted?.from} at ${at} instead of ${folder} at ${createdAt}`)
        return [...count, ...strange, ...(await common(subject, crashed, { fresh }))]
      },
    }
  },
})

async function keepBackup({ dir, path }: Manager, createdAt: string): Promise<string> {
  const id = freshId('nightly')
  const folder = join(dir, 'backups', id)
  await mkdir(folder, { recursive: true })
  await cp(path, join(folder, 'data'), { recursive: true })
  await writeFile(join(folder, 'metadata.json'), JSON.stringify({ id, backup_type: 'nightly', created_at: createdAt }))
  return folder
}
