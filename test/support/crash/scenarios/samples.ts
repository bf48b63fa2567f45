/** A lane for each other kind of source: backed up, proved and brought back over itself, whatever happens to the worker. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { RestoreReport } from '../../../../activities/restore.ts'
import type { SampleSource } from '../../../../scripts/sources/sample.ts'
import type { RestoreChoice } from '../../../../src/contract/inputs.ts'
import type { Scenario } from '../scenario.ts'
import type { CrashStage } from '../stage.ts'
import { ALL_SAMPLES } from '../../sources/index.ts'
import { backup, common, ensurePoint, idsOf, nameOf, starting, type Subject, verifyRestore } from './points.ts'
import { fingerprintOf, reportOf } from './restores.ts'

export interface SampleLane {
  backup: Scenario
  verifyRestore: Scenario
  restoreLive: Scenario
}

export async function openSampleLane(stage: CrashStage, name: string): Promise<SampleLane> {
  const open = await ALL_SAMPLES[name]?.()
  if (!open) throw new Error(`there is no sample ${name}`)
  const dir = join(stage.stack.dir, 'sources', name)
  await mkdir(dir, { recursive: true, mode: 0o755 })
  const sample = await open(dir)
  stage.onClose(() => sample.close())
  // This process looks at the source as well.
  Object.assign(process.env, sample.env)
  const configure = (settings: Record<string, unknown>) => {
    settings['sources'] = { [name]: { driver: sample.driver, repository: 'hot', retention: { keepLast: 1_000 }, ...sample.config } }
    settings['failoverGroups'] = {}
  }
  const lane = await stage.openLane(name, configure, sample.env)
  const problems = async () => (await sample.leftovers()).map((left) => `left on ${name}: ${left}`)
  const subject: Subject = { lane, source: name, kind: name, problems }
  return { backup: backup(subject), verifyRestore: verifyRestore(subject), restoreLive: restoreLive(subject, sample) }
}

/** What a live restore has to be told where it goes over what was changed, and not over what was lost. */
const OVER: Readonly<Record<string, Pick<RestoreChoice, 'mode'>>> = { temporal: { mode: 'replace' } }

/** What was changed after the point is gone again, and a safety backup has it. */
function restoreLive(subject: Subject, sample: SampleSource): Scenario {
  let asCaptured: string | undefined
  return {
    name: nameOf('restore live', subject),
    lane: subject.lane,
    async prepare() {
      const { lane, source } = subject
      // Every round ends with these contents, so that the next may begin with its change.
      asCaptured ??= await sample.contents()
      const id = await ensurePoint(subject)
      await sample.change()
      const before = new Set(await idsOf(subject))
      const confirm = await fingerprintOf(lane, source)
      return {
        start: starting(lane, 'restore', { source, recoveryPoint: id, target: 'live', ...OVER[source], confirm, requestedBy: 'crash' }),
        async compare(crashed) {
          const safety = reportOf<RestoreReport>(crashed)?.safetyBackup
          const fresh = (await idsOf(subject)).filter((one) => !before.has(one))
          const points =
            fresh.length === 1 && fresh[0] === safety ? [] : [`new points: ${fresh.join(', ') || 'none'}; the safety backup is ${safety}`]
          const content = (await sample.contents()) === asCaptured ? [] : [`${source} does not hold what it held when ${id} was taken`]
          return [...points, ...content, ...(await common(subject, crashed, { fresh }))]
        },
      }
    },
  }
}
