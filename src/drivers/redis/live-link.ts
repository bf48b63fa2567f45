/** The line over which a live server reads what a scratch server holds, and its end. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { type Client, infoOf, settingOf } from './connect.ts'
import { withScratch } from './scratch.ts'

/** How passwords begin that are of a restore: found on a live server, one was left by a try that was killed. */
export const OWN_PASSWORD = 'holdfast-'

export interface Line {
  address: string
  port: number
  username?: string
  password: string
}

/** A line that the live server can use as it is configured, where it knows a password for its master already. */
export async function lineFor(live: Client, address: string): Promise<Line> {
  const port = await freePort(address)
  const password = await settingOf(live, 'masterauth')
  if (!password || password.startsWith(OWN_PASSWORD))
    return { address, port, password: `${OWN_PASSWORD}${randomBytes(24).toString('hex')}` }
  const username = await settingOf(live, 'masteruser')
  return { address, port, password, ...(username && { username }) }
}

/** The line of a scratch server that runs, and the name of its history, which is its alone. */
export async function lineOf(dir: string): Promise<Line & { replid: string; offset: number; role: string }> {
  return withScratch(dir, async (client) => {
    const info = await infoOf(client, 'replication')
    const setting = async (name: string) => (await settingOf(client, name)) ?? ''
    return {
      address: await setting('bind'),
      port: Number(await setting('port')),
      password: await setting('requirepass'),
      replid: info['master_replid'] ?? '',
      offset: Number(info['master_repl_offset']),
      role: info['role'] ?? '',
    }
  })
}

/**
 * The name of a history is new with its first reader: one that leaves at once, so that the name is known before the live
 * server comes, which goes on from it.
 */
export async function beginHistory(dir: string): Promise<string> {
  return withScratch(dir, async (client) => {
    await client.call('REPLCONF', 'capa', 'eof')
    const [word, replid = ''] = String(await client.call('PSYNC', '?', '-1')).split(' ')
    if (word === 'FULLRESYNC') return replid
    throw new HoldfastError('PROCESS_FAILED', `the server in ${dir} does not let itself be read: ${word}`, { object: dir })
  })
}

/** Lets the live server read; from here on it takes no writes. */
export async function join(live: Client, { address, port, password }: Line): Promise<void> {
  if (password.startsWith(OWN_PASSWORD)) await live.config('SET', 'masterauth', password)
  await live.call('REPLICAOF', address, String(port))
}

/** The live server takes writes again, and forgets the line. */
export async function part(live: Client, ...where: [] | [string, string]): Promise<void> {
  await live.call('REPLICAOF', ...(where.length > 0 ? where : ['NO', 'ONE']))
  if ((await settingOf(live, 'masterauth'))?.startsWith(OWN_PASSWORD)) await live.config('SET', 'masterauth', '')
}

export const follows = (info: Record<string, string>, { address, port }: Line): boolean =>
  info['role'] === 'slave' && info['master_host'] === address && info['master_port'] === String(port)

const LONGEST_MS = 6 * 3_600_000

/** Resolves once the live server has all of it. */
export async function awaitSynced(live: Client, dir: string, { signal, onProgress }: DriverContext): Promise<void> {
  await until(
    async () => {
      onProgress({ phase: 'replicate' })
      const info = await infoOf(live, 'replication')
      const line = await lineOf(dir)
      if (!follows(info, line))
        throw new HoldfastError('STORE_CONFLICT', 'somebody else changed what the live server replicates', {
          next: 'start the restore again',
        })
      return (
        info['master_link_status'] === 'up' && info['master_replid'] === line.replid && Number(info['slave_repl_offset']) >= line.offset
      )
    },
    { timeoutMs: LONGEST_MS, everyMs: 50, what: 'the live server to have read it all', signal },
  )
}

function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) =>
      reject(
        new HoldfastError('CONFIG_INVALID', `this worker cannot listen on ${address}: ${error.message}`, {
          object: 'address',
          cause: error,
          next: 'set address of the source to one of this worker that the server can reach',
        }),
      ),
    )
    server.listen(0, address, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound ? bound.port : 0))
    })
  })
}
