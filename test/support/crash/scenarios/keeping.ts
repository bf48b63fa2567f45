/** The lane of what becomes of points once they are taken, and of what is taken over: one small store, a source for each use. */
import { appendFile, copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fillStore } from '../../../../scripts/sources/rocksdb.ts'
import { findProgram } from '../../../../scripts/toolbox/find.ts'
import type { Scenario } from '../scenario.ts'
import type { CrashStage, Settings } from '../stage.ts'
import { adoption } from './adoption.ts'
import { copies } from './copies.ts'
import { keyCheck, rotation } from './keys.ts'
import { instanceProblems } from '../world/instances.ts'
import type { Subject } from './points.ts'
import { deletion, hold, release } from './single-points.ts'

/** The second repository. */
export const COPIES = 'dr'
const BUCKET = 'backups-dr'

export async function openKeeping(stage: CrashStage): Promise<Scenario[]> {
  const dir = join(stage.stack.dir, 'keeping')
  await mkdir(dir)
  const path = join(dir, 'store')
  await fillStore(path, 2_000)
  await stage.stack.s3.createBucket(BUCKET)
  const identityFile = join(dir, 'identity.txt')
  await copyFile(stage.stack.config.encryption.identityFile ?? '', identityFile)
  const lane = await stage.openLane('keeping', (settings) => {
    const source = { driver: 'rocksdb', host: 'here', repository: 'hot', path, programs: { ldb: findProgram('ldb') } }
    const retention = { keepLast: 1_000 }
    settings['repositories'][COPIES] = { ...(settings['repositories'] as Settings)['hot'], bucket: BUCKET }
    settings['encryption'].identityFile = identityFile
    settings['sources'] = {
      // By calendar: a backup makes none, and the run has something to do.
      copied: { ...source, retention, copies: [{ to: COPIES, schedule: { calendar: 'Sun 04:00' } }] },
      sealed: { ...source, retention },
      marked: { ...source, retention },
      adopting: { ...source, retention },
    }
    settings['failoverGroups'] = {}
  })
  const subject = (source: string): Subject => ({ lane, source, problems: () => instanceProblems(lane.scratchDir) })
  const know = (identity: string) => appendFile(identityFile, identity)
  return [
    copies(subject('copied'), COPIES),
    rotation(subject('sealed'), { dir, know }),
    keyCheck(subject('sealed')),
    hold(subject('marked')),
    release(subject('marked')),
    deletion(subject('marked')),
    adoption(subject('adopting'), { dir, path }),
  ]
}
