/** What pg_controldata says of a data directory, also of a pinned one, whose control file has another name. */
import { chown, copyFile, lstat, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { Site } from './site.ts'

export interface ControlData {
  /** `shut down`, `in production`, `in archive recovery`, … */
  state: string
  systemId: string
  /** Where the latest checkpoint record begins: after a clean stop, the last record there is. */
  checkpointLsn: string
  redoLsn: string
  timeline: number
  checkpointAt: string
  /** Position that a standby must reach to be consistent; `0/0` on a primary. */
  minRecoveryLsn: string
  minRecoveryTimeline: number
  /** Every line, by its label. */
  raw: Record<string, string>
}

export const controlFile = (site: { dataDir: string }): string => join(site.dataDir, 'global', 'pg_control')
export const pinnedFile = (site: { dataDir: string }): string => `${controlFile(site)}.fenced`

const present = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  )

/** True where a start is refused because the control file was moved aside. */
export async function isPinned(site: { dataDir: string }): Promise<boolean> {
  return !(await present(controlFile(site))) && (await present(pinnedFile(site)))
}

/** The lines of pg_controldata, run in the C locale. Throws INTEGRITY where one that matters is missing. */
export function parseControlData(text: string): ControlData {
  const raw: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, label, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
    if (label) raw[label] = value ?? ''
  }
  const need = (label: string): string => {
    const value = raw[label]
    if (value === undefined)
      throw new HoldfastError('INTEGRITY', `pg_controldata has no line "${label}"`, {
        object: label,
        next: 'check that binDir belongs to the version of the cluster',
      })
    return value
  }
  return {
    raw,
    state: need('Database cluster state'),
    systemId: need('Database system identifier'),
    checkpointLsn: need('Latest checkpoint location'),
    redoLsn: need("Latest checkpoint's REDO location"),
    timeline: Number(need("Latest checkpoint's TimeLineID")),
    checkpointAt: need('Time of latest checkpoint'),
    minRecoveryLsn: need('Minimum recovery ending location'),
    minRecoveryTimeline: Number(need("Min recovery ending loc's timeline")),
  }
}

/** Throws NOT_FOUND where the data directory has no control file at all. */
export async function readControlData(site: Site): Promise<ControlData> {
  return withControlView(site, async (dir) => {
    const { stdout } = await run(
      { program: join(site.binDir, 'pg_controldata'), args: ['-D', dir], env: { LC_ALL: 'C' } },
      { signal: site.signal, timeoutMs: 30_000 },
    )
    return parseControlData(stdout)
  })
}

/**
 * Gives a folder in which `global/pg_control` has its name: the data directory, or a temporary view of a pinned one, for
 * programs that look nowhere else.
 */
export async function withControlView<T>(site: { dataDir: string }, use: (dir: string) => Promise<T>): Promise<T> {
  if (await present(controlFile(site))) return use(site.dataDir)
  if (!(await present(pinnedFile(site)))) {
    throw new HoldfastError('NOT_FOUND', `no control file in ${site.dataDir}`, {
      object: site.dataDir,
      next: 'check dataDir in holdfast.yaml, and that its disk is mounted',
    })
  }
  const view = await mkdtemp(join(tmpdir(), 'holdfast-control-'))
  try {
    await mkdir(join(view, 'global'))
    await copyFile(pinnedFile(site), controlFile({ dataDir: view }))
    // Those programs run as the cluster's owner.
    const { uid, gid } = await stat(site.dataDir)
    if (process.getuid?.() === 0)
      for (const path of [view, join(view, 'global'), controlFile({ dataDir: view })]) await chown(path, uid, gid)
    return await use(view)
  } finally {
    await rm(view, { recursive: true, force: true })
  }
}
