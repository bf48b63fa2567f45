/** The lane of a small site: a folder and a store that are taken and come back together, a migration, and an application that is asked. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openFiles } from '../../../../scripts/sources/files.ts'
import { openRocksdb } from '../../../../scripts/sources/rocksdb.ts'
import type { SampleSource } from '../../../../scripts/sources/sample.ts'
import type { Scenario } from '../scenario.ts'
import type { CrashStage } from '../stage.ts'
import { migration, migrationOf } from './migration.ts'
import type { Subject } from './points.ts'
import { openApplication, rebuild } from './rebuild.ts'
import { setBackup, siteRecovery } from './sets.ts'

export const SET = 'site'
const MEMBERS = { papers: openFiles, ledger: openRocksdb }

export interface Member extends Subject {
  sample: SampleSource
}

export async function openSite(stage: CrashStage): Promise<Scenario[]> {
  const samples: Record<string, SampleSource> = {}
  for (const [name, open] of Object.entries(MEMBERS)) {
    const dir = join(stage.stack.dir, 'site', name)
    await mkdir(dir, { recursive: true, mode: 0o755 })
    samples[name] = await open(dir)
  }
  const application = await openApplication(stage)
  const lane = await stage.openLane('site', (settings) => {
    const sources = Object.entries(samples).map(([name, { driver, config }]) => {
      const migrations = driver === 'rocksdb' ? migrationOf(config) : {}
      return [name, { driver, repository: 'hot', retention: { keepLast: 1_000 }, ...config, migrations }]
    })
    settings['sources'] = Object.fromEntries(sources)
    settings['sets'] = { [SET]: { sources: ['papers', { name: 'ledger', after: ['papers'] }] } }
    settings['projections'] = application.settings
    settings['failoverGroups'] = {}
  })
  const members = Object.entries(samples).map(([source, sample]): Member => {
    const problems = async () => (await sample.leftovers()).map((left) => `left on ${source}: ${left}`)
    return { lane, source, sample, problems }
  })
  const changed = members.filter(({ source }) => source === 'ledger').map(migration)
  return [setBackup(members, SET), siteRecovery(members, SET), ...changed, rebuild(lane, application)]
}
