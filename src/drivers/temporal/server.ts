/** A private dev server: on loopback, without its UI, its state on a file. It outlives the worker, for those who look at it. */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import { processesIn } from '../../process/in-folder.ts'
import { type Place, withTemporal } from '../../temporal/namespace-session.ts'

const START_MS = 120_000
const logOf = (dir: string): string => join(dir, 'server.log')
const addressOf = (dir: string): string => join(dir, 'address')

/** Starts it, or finds it running; resolves once it answers. */
export async function startServer(program: string, dir: string, signal?: AbortSignal): Promise<string> {
  if ((await processesIn(dir)).length === 0) {
    const [port, http, metrics] = await freePorts(3)
    const words = [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--headless',
      '--log-level',
      'error',
      '--db-filename',
      join(dir, 'temporal.db'),
    ]
    for (const [flag, value] of Object.entries({ port, 'http-port': http, 'metrics-port': metrics })) words.push(`--${flag}`, String(value))
    await writeFile(addressOf(dir), `127.0.0.1:${port}`)
    // A session of its own: the end of the worker does not end it.
    const script = 'log=$1; shift; exec setsid --fork "$0" "$@" >>"$log" 2>&1 </dev/null'
    await run({ program: 'sh', args: ['-c', script, program, logOf(dir), ...words], cwd: dir }, { signal })
  }
  const address = await readFile(addressOf(dir), 'utf8')
  const place: Place = { address, namespace: 'default', options: async () => ({ address }) }
  const answers = async () => {
    const asking = withTemporal(place, signal, ({ ask }) =>
      ask((connection) => connection.operatorService.listSearchAttributes({ namespace: 'default' })),
    )
    if (await asking.catch(() => undefined)) return true
    signal?.throwIfAborted()
    // Asked after it did not answer: one that ends in between is seen the next time.
    if ((await processesIn(dir)).length === 0) throw await notStarted(dir)
    return false
  }
  await until(answers, { timeoutMs: START_MS, everyMs: 50, what: `the Temporal server in ${dir}`, signal })
  return address
}

/** All different: each is held until the last is known. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  try {
    const listening = servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
    await Promise.all(listening)
    return servers.map((server) => (server.address() as AddressInfo).port)
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

async function notStarted(dir: string): Promise<HoldfastError> {
  const log = await readFile(logOf(dir), 'utf8').catch((error: unknown) => messageOf(error))
  const lines = log.trimEnd().split('\n').slice(-6).join(' | ')
  return new HoldfastError('PROCESS_FAILED', `the server in ${dir} did not start: ${lines}`, { object: dir, next: `read ${logOf(dir)}` })
}
