/** A private server: on loopback, for whoever has its token, with JetStream in its own folder. It outlives the worker, for those who look at it. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { shellWord } from '../../core/shell.ts'
import { until } from '../../process/wait.ts'
import { makeOwnFolder, removeOwnFolder, requireOwnFolder } from '../common/own-folder.ts'
import { processesIn, stopProcessesIn } from '../../process/in-folder.ts'
import { type JetStream, type Place, withJetStream } from './jetstream.ts'

const START_MS = 120_000
const logOf = (dir: string): string => join(dir, 'server.log')
const tokenOf = (dir: string): string => join(dir, 'token')

/** An empty folder for it; what an earlier try left there goes first. */
export async function makeScratch(dir: string): Promise<void> {
  await destroyScratch(dir)
  // The server runs as the worker does.
  await makeOwnFolder(dir)
  await writeFile(tokenOf(dir), randomBytes(24).toString('hex'), { mode: 0o600 })
}

/** Starts it, or finds it running; resolves once JetStream answers. */
export async function startScratch(program: string, dir: string, signal?: AbortSignal): Promise<void> {
  if ((await processesIn(dir)).length === 0) {
    for (const stale of await portFiles(dir)) await rm(join(dir, stale))
    const configFile = join(dir, 'server.conf')
    await writeFile(configFile, await configuration(dir), { mode: 0o600 })
    // A session of its own: the end of the worker does not end it.
    const script = 'exec setsid --fork "$0" -c "$1" >>"$2" 2>&1 </dev/null'
    await run({ program: 'sh', args: ['-c', script, program, configFile, logOf(dir)], cwd: dir }, { signal })
  }
  const answers = async () => {
    if (await withScratch(dir, signal, (js) => js.ask('INFO')).catch(() => undefined)) return true
    signal?.throwIfAborted()
    // Asked after it did not answer: one that ends in between is seen the next time.
    if ((await processesIn(dir)).length === 0) throw await notStarted(dir)
    return false
  }
  await until(answers, { timeoutMs: START_MS, everyMs: 50, what: `the NATS server in ${dir}`, signal })
}

/** The port is the kernel's choice, which the server writes into a file. */
async function configuration(dir: string): Promise<string> {
  const lines = [
    'listen: "127.0.0.1:-1"',
    `ports_file_dir: ${JSON.stringify(dir)}`,
    'server_name: "holdfast-scratch"',
    `authorization { token: ${JSON.stringify(await readFile(tokenOf(dir), 'utf8'))} }`,
    // A stream may hold larger messages than a server takes by default.
    'max_payload: 64MB',
    'max_pending: 256MB',
    `jetstream { store_dir: ${JSON.stringify(join(dir, 'store'))} }`,
    '',
  ]
  return lines.join('\n')
}

const portFiles = async (dir: string): Promise<string[]> => (await readdir(dir)).filter((name) => name.endsWith('.ports'))

export async function scratchUrl(dir: string): Promise<string> {
  const [file] = await portFiles(dir)
  const { nats = [] } = file ? (JSON.parse(await readFile(join(dir, file), 'utf8')) as { nats?: string[] }) : {}
  if (nats[0]) return nats[0]
  throw new HoldfastError('SOURCE_UNREACHABLE', `the server in ${dir} has not said where it listens`, { object: dir })
}

function scratchPlace(dir: string): Place {
  return {
    servers: `the scratch server in ${dir}`,
    options: async () => ({ servers: await scratchUrl(dir), token: await readFile(tokenOf(dir), 'utf8') }),
  }
}

export const withScratch = <T>(dir: string, signal: AbortSignal | undefined, work: (js: JetStream) => Promise<T>): Promise<T> =>
  withJetStream(scratchPlace(dir), signal, work)

/** For a person: the token is read where the command runs. */
export const connectCommand = (dir: string, url: string): string =>
  `NATS_URL=${url} NATS_USER="$(cat ${shellWord(tokenOf(dir))})" nats stream ls`

/** Ends what runs in the folder and removes it. May be called twice, and by another process than the one that started it. */
export async function destroyScratch(dir: string): Promise<void> {
  await requireOwnFolder(dir)
  await stopProcessesIn(dir)
  await removeOwnFolder(dir)
}

async function notStarted(dir: string): Promise<HoldfastError> {
  const log = await readFile(logOf(dir), 'utf8').catch((error: unknown) => messageOf(error))
  const lines = log.trimEnd().split('\n').slice(-6).join(' | ')
  return new HoldfastError('PROCESS_FAILED', `the server in ${dir} did not start: ${lines}`, { object: dir, next: `read ${logOf(dir)}` })
}
