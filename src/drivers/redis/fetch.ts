/** How the RDB comes out of the server: over the replication protocol, or as the file that it saves. */
import { copyFile, link, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import type { RedisSourceConfig } from './config.ts'
import { type Client, cliOf, infoOf, placeOf, type Server } from './connect.ts'

/** Into a file and not a pipe: in a pipe, 40 bytes of the protocol follow the RDB. */
export async function fetchByReplication(
  config: Pick<RedisSourceConfig, 'programs'>,
  server: Server,
  file: string,
  { signal, onProgress }: DriverContext,
): Promise<void> {
  onProgress({ phase: 'fetch' })
  const { args, env } = cliOf(server)
  const telling = setInterval(() => {
    void stat(file).then(
      ({ size }) => onProgress({ phase: 'fetch', bytes: size }),
      () => {},
    )
  }, 1_000)
  try {
    const { stderr } = await run({ program: config.programs.cli, args: [...args, '--rdb', file], env }, { signal })
    if (!/Transfer finished with success/.test(stderr))
      throw new HoldfastError('PROCESS_FAILED', `${placeOf(server)} sent no whole RDB: ${stderr.trim().slice(-500)}`, {
        object: placeOf(server),
      })
  } finally {
    clearInterval(telling)
  }
}

const LONGEST_SAVE_MS = 6 * 3_600_000

/**
 * Has the server save, and resolves when this very save has ended well. Not a save of somebody else's: one that runs
 * already began too early, and is waited for.
 */
export async function saveAndWait(client: Client, place: string, { signal, onProgress }: DriverContext): Promise<void> {
  const wait = (what: string, check: () => Promise<boolean>) =>
    until(check, { timeoutMs: LONGEST_SAVE_MS, everyMs: 100, what: `${what} on ${place}`, signal })
  const state = () => infoOf(client, 'persistence')
  let saves = 0
  let asked = 0
  await wait('a save to begin', async () => {
    onProgress({ phase: 'save' })
    saves = Number((await state())['rdb_saves'])
    asked = Number((await client.time())[0])
    return begin(client)
  })
  await wait('the save to end', async () => {
    onProgress({ phase: 'save' })
    const now = await state()
    // The count goes up when a save begins; one that is scheduled has not begun. The time has whole seconds.
    if (now['rdb_bgsave_in_progress'] !== '0' || Number(now['rdb_saves']) <= saves) return false
    if (now['rdb_last_bgsave_status'] === 'ok' && Number(now['rdb_last_save_time']) >= asked) return true
    throw new HoldfastError('PROCESS_FAILED', `${place} could not save its data`, {
      object: place,
      next: 'read the log of the server: the disk of its data folder may be full, or it has no memory to fork',
    })
  })
}

/** False while another save runs. While the append-only file is rewritten, the save is scheduled for right after. */
async function begin(client: Client): Promise<boolean> {
  try {
    await client.bgsave('SCHEDULE')
    return true
  } catch (error) {
    if (/already in progress/i.test(messageOf(error))) return false
    throw error
  }
}

/** The file that the server has saved, under a name of the point: by a link, so that a later save does not change it. */
export async function keepSaved(
  { dataDir = '', dbfilename }: RedisSourceConfig,
  { into, savedAfter }: { into: string; savedAfter: number },
): Promise<void> {
  const saved = join(dataDir, dbfilename)
  const found = await stat(saved).catch((error: unknown) => {
    throw unfit(saved, messageOf(error))
  })
  // The clock of the file is that of this host; files of the same second may look older than they are.
  if (found.mtimeMs < savedAfter - 1_000) throw unfit(saved, `it was not written by the save, but at ${found.mtime.toISOString()}`)
  const partial = `${into}.partial`
  await rm(partial, { force: true })
  await link(saved, partial).catch(() => copyFile(saved, partial))
  await rename(partial, into)
}

function unfit(file: string, why: string): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', `${file} is not what the server has saved: ${why}`, {
    object: file,
    next: 'correct dataDir and dbfilename: CONFIG GET dir and CONFIG GET dbfilename tell them, as the server sees them',
  })
}
