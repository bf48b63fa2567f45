/** The AWS API stand-in moto, for what no server on this machine speaks: Route 53. It answers the API, not DNS. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { existsSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../src/core/errors.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { freePort } from './ports.ts'
import { cacheDir } from './programs.ts'
import { installPython } from './python.ts'

const VERSION = '5.2.5'
const LINK = 'moto-venv'

export interface MotoServer {
  endpoint: string
  pid: number
  stop(): Promise<void>
}

/** Starts it, with nothing in it; resolves once it answers. Installs it where it is missing. */
export async function startMoto(): Promise<MotoServer> {
  const python = await ensureMoto()
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-moto-'))
  const logFile = join(folder, 'moto.log')
  const daemon = await startDaemon(
    { program: python, args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], cwd: folder },
    { logFile },
  )
  const stop = async () => {
    await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  let ended = false
  void daemon.exited.then(() => {
    ended = true
  })
  try {
    await until(
      async () =>
        ended ||
        (await fetch(`${endpoint}/moto-api/data.json`).then(
          (reply) => reply.ok,
          () => false,
        )),
      { timeoutMs: 90_000, what: `moto on ${endpoint}` },
    )
    if (ended)
      throw new HoldfastError('PROCESS_FAILED', `moto on ${endpoint} ended at once: ${(await readFile(logFile, 'utf8')).slice(-500)}`, {
        object: endpoint,
      })
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint, pid: daemon.pid, stop }
}

/**
 * The Python that has moto. An environment cannot be moved once it is built, so each is built in a folder of its own
 * and becomes the one in use by the swap of a link: a killed install is never taken for a whole one, and two at once do
 * each other no harm.
 */
export async function ensureMoto(): Promise<string> {
  const cache = cacheDir()
  const python = join(cache, LINK, 'bin', 'python')
  if (targetOf(join(cache, LINK))?.startsWith(`${LINK}-${VERSION}-`) && existsSync(python)) return python
  await mkdir(cache, { recursive: true })
  await removeAbandoned(cache)
  const folder = `${LINK}-${VERSION}-${process.pid}-${randomBytes(4).toString('hex')}`
  await installPython(`moto ${VERSION}`, join(cache, folder), [`moto[server]==${VERSION}`])
  const link = join(cache, `${folder}.link`)
  await symlink(folder, link)
  await rename(link, join(cache, LINK))
  return python
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

/** What installs that were killed left behind; one that still runs is left alone, and so is the one in use. */
async function removeAbandoned(cache: string): Promise<void> {
  const inUse = targetOf(join(cache, LINK))
  for (const name of await readdir(cache).catch(() => [])) {
    const builder = /^moto-venv-[\d.]+-(\d+)-[0-9a-f]{8}(?:\.link)?$/.exec(name)?.[1]
    if (builder && name !== inUse && !isRunning(Number(builder))) await rm(join(cache, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
