/**
 * Backups of captures that became no point: the run failed after the engine was done, was cancelled, or its try was
 * killed. Nothing would ever expire them, WAL would be kept from them on, and a later incremental would build on them.
 */
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import type { BackupType, EngineBackup, PhysicalEngine } from './engine.ts'

/** How long the pgBackRest of a killed try may still be running: shorter than a step may take that undoes. */
const BUSY_MS = 240_000

/** Removes what was taken for this id, except what is some point's. The last full one stays until there is another. */
export async function discardCapture(
  engine: PhysicalEngine,
  context: DriverContext,
  id: string,
  published: readonly string[],
): Promise<void> {
  const idle = async () => {
    context.onProgress({ phase: 'wait for the engine' })
    return !(await engine.info()).busy
  }
  await until(idle, {
    timeoutMs: BUSY_MS,
    everyMs: 500,
    what: `the backup of stanza ${engine.stanza} that is running`,
    signal: context.signal,
  })
  const { backups } = await engine.info()
  const left = backups.filter((backup) => backup.pointId === id && !published.includes(backup.label))
  for (const { label } of left) if (!(await expired(engine, label))) await engine.giveUp(label)
}

/** Removes what was given up before and may go by now; says what still may not. */
export async function removeGivenUp(engine: PhysicalEngine): Promise<string[]> {
  const warnings: string[] = []
  const { backups } = await engine.info()
  for (const { label } of backups.filter(({ givenUp }) => givenUp))
    if (!(await expired(engine, label))) warnings.push(`the backup ${label} is of no recovery point, and pgBackRest needs it still`)
  return warnings
}

async function expired(engine: PhysicalEngine, label: string): Promise<boolean> {
  try {
    await engine.expire(label)
    return true
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'POINT_PROTECTED') return false
    throw error
  }
}

/**
 * The type to ask the engine for: a full one where it would build on what no point references. That is kept by nobody,
 * and a point on it would be lost with it.
 */
export function typeToTake(
  backups: readonly EngineBackup[],
  wanted: BackupType,
  known: readonly string[] | undefined,
): { type: BackupType; warning?: string } {
  const base = backups.findLast(({ type }) => wanted === 'incremental' || type === 'full')
  if (wanted === 'full' || !known || !base) return { type: wanted }
  const strange = [...base.needs, base.label].find((label) => !known.includes(label))
  if (strange === undefined) return { type: wanted }
  const warning = `${wanted} was asked for and full was taken: it would build on ${strange}, which is of no recovery point of this source`
  return { type: 'full', warning }
}
