/**
 * One at a time on this machine, for work that two runs must not do at once. The lock is an abstract socket: the kernel
 * gives it to one process and takes it back when that process ends, however it ends; nothing is left on disk.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { platform, userInfo } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Runs `work` while nobody else holds `name`; `onWait` is called once where somebody does.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @param {{ onWait?: () => void, signal?: AbortSignal }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(name, work, options = {}) {
  // Only Linux has abstract sockets; elsewhere two runs at once are the person's own business.
  if (platform() !== 'linux') return work()
  const digest = createHash('sha256').update(`${userInfo().uid} ${name}`).digest('hex').slice(0, 32)
  let server = await tryListen(`\0holdfast-${digest}`)
  if (!server) options.onWait?.()
  while (!server) {
    await pause(200, undefined, { signal: options.signal })
    server = await tryListen(`\0holdfast-${digest}`)
  }
  try {
    return await work()
  } finally {
    server.close()
  }
}

/** @param {string} path */
function tryListen(path) {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    server.listen(path, () => resolve(server))
  })
}
