/**
 * Two renames put a copy in the place of a store. Between them there is none: what is under way stands in a file beside
 * it, so that a second try goes on where a killed one stopped, and an undo puts the old one back and starts its program.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { stamp } from '../../core/ids.ts'
import { run } from '../../process/run.ts'
import { shellWord } from '../../core/shell.ts'
import { until } from '../../process/wait.ts'
import type { Swapped } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { holdersOf, requireClosed } from './holders.ts'
import { exists, statOf } from './places.ts'

type Place = Pick<RocksdbSourceConfig, 'path' | 'service'>

export interface Swap {
  confirm: string
  /** `<folder>/<inode>` of what was made beside it: nothing else is swapped in. */
  made: string
  /** Throws unless the live store is the one that was confirmed. */
  confirmed(): Promise<void>
  signal?: AbortSignal
}

/** What is under way. */
interface Under {
  /** Where the old one goes; the same at each try. */
  kept: string
}

export async function swap(place: Place, wanted: Swap): Promise<Swapped> {
  const { path } = place
  const { confirm, made, signal } = wanted
  const [folder = '', inode] = made.split('/')
  const aside = join(dirname(path), folder)
  if (String((await statOf(path))?.ino) === inode) return finish(place, confirm)
  const under = await begun(path)
  if (!under) await wanted.confirmed()
  else if (await exists(path)) await requireSame(path, under, wanted)
  if (String((await statOf(aside))?.ino) !== inode)
    throw new HoldfastError('NOT_FOUND', `there is no folder ${aside} to swap in, or another try made it`, {
      object: aside,
      next: 'start the restore again',
    })
  const kept = under?.kept ?? `${path}_pre_restore_${stamp(new Date()).slice(0, 15).replace('T', '_')}`
  await writeFile(noteOf(path), JSON.stringify({ kept } satisfies Under), { mode: 0o600 })
  try {
    if (place.service) await call(place.service.stop, signal)
    await (place.service ? awaitClosed(path, signal) : requireClosed(path, CLOSE))
    if (await exists(path)) await setAside(path, kept)
    await rename(aside, path)
  } catch (error) {
    await putBack(place).catch((second: unknown) => {
      throw new HoldfastError('PROCESS_FAILED', `${messageOf(error)}; and then: ${messageOf(second)}`, {
        object: path,
        cause: error,
        retryable: false,
      })
    })
    throw error
  }
  return finish(place, confirm)
}

/** A try that was killed between the renames has left no store: what stands there now, somebody made meanwhile. */
async function requireSame(path: string, { kept }: Under, { confirmed }: Swap): Promise<void> {
  if (!(await exists(kept))) return confirmed()
  throw new HoldfastError(
    'STORE_CONFLICT',
    `${path} was made again by somebody while it was being replaced; what was replaced is at ${kept}`,
    {
      object: path,
      next: `look at both; end the program that made it, move it away, and start the restore again`,
    },
  )
}

/** Somebody may have opened it since it was looked at: what that program writes would go to the old one unseen. */
async function setAside(path: string, kept: string): Promise<void> {
  await rename(path, kept)
  if ((await holdersOf(kept)).length > 0) await rename(kept, path)
  await requireClosed(path, CLOSE)
}

/** A program that was told to stop may take a moment to let go. */
async function awaitClosed(path: string, signal: AbortSignal | undefined): Promise<void> {
  const closed = async () => (await holdersOf(path)).length === 0
  await until(closed, { timeoutMs: LETTING_GO_MS, what: `${path} to be closed`, ...(signal && { signal }) }).catch(
    async (error: unknown) => {
      await requireClosed(path, CLOSE)
      throw error
    },
  )
}
const LETTING_GO_MS = 10_000
const CLOSE = 'end that program, and start the restore again'

async function finish(place: Place, confirm: string): Promise<Swapped> {
  const { path, service } = place
  const kept = await keptOf(path, confirm)
  const problem = service && (await begun(path)) ? await startProblem(service.start) : undefined
  await rm(noteOf(path), { force: true })
  return {
    database: path,
    ...(kept && { keptAs: kept }),
    notes: [
      ...(kept ? [`what was replaced is kept at ${kept}; to end it: rm -r ${shellWord(kept)}`] : []),
      ...(service ? [] : [`the program that has ${path} open may be started now`]),
    ],
    ...(problem !== undefined && { warnings: [`${path} is restored, and its program could not be started: ${problem}`] }),
  }
}

/** The folder that was confirmed, by its number: that stays the same under every name. */
async function keptOf(path: string, confirm: string): Promise<string | undefined> {
  const wanted = confirm.slice(path.length + 1)
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}_pre_restore_`))
  for (const name of names) if (String((await statOf(join(dirname(path), name)))?.ino) === wanted) return join(dirname(path), name)
  return undefined
}

async function startProblem(start: readonly string[]): Promise<string | undefined> {
  return call(start).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  )
}

/** Undoes what a swap began and did not end. Harmless where none did. */
export async function putBack(place: Place): Promise<void> {
  const { path } = place
  const under = await begun(path)
  if (!under) return
  if (!(await exists(path)) && (await exists(under.kept))) await rename(under.kept, path)
  const problem = place.service && (await startProblem(place.service.start))
  await rm(noteOf(path), { force: true })
  if (problem !== undefined)
    throw new HoldfastError('PROCESS_FAILED', `the program of ${path} could not be started again: ${problem}`, {
      object: path,
      retryable: false,
    })
}

const noteOf = (path: string): string => `${path}.restore-under-way`

async function begun(path: string): Promise<Under | undefined> {
  if (!(await exists(noteOf(path)))) return undefined
  return JSON.parse(await readFile(noteOf(path), 'utf8')) as Under
}

async function call([program = '', ...args]: readonly string[], signal?: AbortSignal): Promise<void> {
  await run({ program, args }, { timeoutMs: LONGEST_MS, ...(signal && { signal }) })
}
const LONGEST_MS = 300_000
