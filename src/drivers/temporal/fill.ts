/** Makes in the live namespace what is missing, and says what an operator has to do now. */
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Manifest } from '../../core/records.ts'
import { partOf } from '../common/part.ts'
import type { Filling, Swapped } from '../driver.ts'
import type { Session } from '../../temporal/namespace-session.ts'
import { addAttributes, archivalOf, findNamespace, registerNamespace, updateNamespace } from './namespace.ts'
import { type OpenRuns, startOpenRuns } from './open-runs.ts'
import { extentOf, indexPart } from './records.ts'
import { createMissing, type Settings, type Wanted } from './recreate.ts'
import { findSchedule, isOurs, isPaused, updateSchedule } from './schedules.ts'

export interface Fill {
  session: Session
  manifest: Manifest
  settings: Settings
  wanted: Wanted
  filling: Filling
}

export async function fill(on: Fill): Promise<Swapped> {
  const { session, settings, wanted, filling } = on
  const { signal } = filling.context
  if (!(await findNamespace(session))) await registerNamespace(session, settings.namespace, signal)
  else if (filling.choice.mode === 'replace') await updateNamespace(session, settings.namespace)
  await addAttributes(session, settings.attributes, signal)
  const left = await fillSchedules(on)
  const runs = wanted.open ? await startRuns(on) : undefined
  return { database: session.namespace, notes: notesOf(on, left, runs) }
}

/** Ids of those that were there and were left as they are. */
async function fillSchedules({ session, manifest, settings, wanted, filling: { choice, context, dir } }: Fill): Promise<string[]> {
  const point = `${manifest.source}/${manifest.id}`
  const how = { point, running: wanted.running, dir }
  const left: string[] = []
  for (const [parts, record] of settings.schedules.entries()) {
    if (parts % 50 === 0) context.onProgress({ phase: 'schedules', parts })
    if (await createMissing(session, record, how)) continue
    if (choice.mode === 'replace') await updateSchedule(session, record, point, wanted.running)
    else {
      const found = await findSchedule(session, record.id)
      if (found && !isOurs(found, point)) left.push(record.id)
    }
  }
  return left
}

/** Their bundles pass through the folder of the restore. */
async function startRuns({ session, manifest, filling: { context, source, dir } }: Fill): Promise<OpenRuns> {
  const fileOf = (part: string) => join(dir, part)
  try {
    for (const [part, { group }] of Object.entries(extentOf(manifest).bundles)) {
      if (group !== 'open') continue
      for (const name of [part, indexPart(part)]) {
        await mkdir(dirname(fileOf(name)), { recursive: true, mode: 0o700 })
        await source.toFile(partOf(manifest, name), fileOf(name))
      }
    }
    return await startOpenRuns(session, context, manifest, { dir, fileOf })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function notesOf({ session, settings, wanted }: Fill, left: string[], runs: OpenRuns | undefined): string[] {
  const on = `--address ${session.address} --namespace ${session.namespace}`
  const paused = settings.schedules.filter((record) => !isPaused(record)).length
  const archival = archivalOf(settings.namespace)
  const some = (ids: string[]) => ids.slice(0, 10).join(', ')
  return [
    ...(wanted.schedules && !wanted.running && paused > 0
      ? [`${paused} schedules that ran are paused now: temporal schedule toggle ${on} --unpause --schedule-id <id>`]
      : []),
    ...(left.length > 0 ? [`${left.length} schedules were there and were left as they are: ${some(left)}`] : []),
    ...(runs
      ? [`${runs.started.length} open runs were started again from their beginning; ${runs.children} children are left to their parents`]
      : []),
    ...(runs && runs.there.length > 0 ? [`runs of these ids go on there already: ${some(runs.there)}`] : []),
    ...(archival === undefined ? [] : [`archival was on, and is not set up again: ${archival}`]),
    'closed runs are not in the namespace: nothing imports them. Their histories stay in the recovery point, to be read and replayed',
  ]
}
