/** The AWS API stand-in moto, for what no server on this machine speaks: Route 53. It answers the API, not DNS. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { existsSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { cacheDir } from './programs.ts'
import { installPython } from './python.ts'
import { isRunning } from './running.ts'
import { type Server, serverFolder, startServer } from './server.ts'

const VERSION = '5.2.5'
const LINK = 'moto-venv'

export interface MotoServer extends Server {
  endpoint: string
}

/** Starts it, with nothing in it; resolves once it answers. Installs it where it is missing. */
export async function startMoto(): Promise<MotoServer> {
  const python = await ensureMoto()
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const { dir, remove } = await serverFolder(undefined, 'holdfast-moto-')
  const server = await startServer({
    what: `moto on ${endpoint}`,
    command: { program: python, args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], cwd: dir },
    logFile: join(dir, 'moto.log'),
    answers: () =>
      fetch(`${endpoint}/moto-api/data.json`).then(
        (reply) => reply.ok,
        () => false,
      ),
    cleanUp: remove,
  })
  return { endpoint, ...server }
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
