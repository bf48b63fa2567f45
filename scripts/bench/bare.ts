/** The bare pipe, as an administrator would write it in a shell, with the lean client at its end. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Daemon, startDaemon } from '../../src/process/daemon.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import type { S3Server } from '../toolbox/s3.ts'
import { cpuSeconds } from './rounds.ts'

const CLIENT = fileURLToPath(new URL('./bare-client.ts', import.meta.url))

export interface BarePipe {
  /** Runs `<script> > $FIFO` (put) or `<script> < $FIFO` (get); resolves when both ends have ended well. */
  run(script: string, env: Record<string, string>): Promise<void>
  /** CPU seconds that the client spent on being loaded. */
  readonly loadCpu: number
  end(): Promise<void>
}

/** Starts the client and waits until it is loaded. */
export async function openPipe(
  verb: 'put' | 'get',
  options: { dir: string; s3: S3Server; bucket: string; key: string; signal: AbortSignal },
): Promise<BarePipe> {
  const { dir, s3, bucket, key, signal } = options
  const [fifo, logFile] = [join(dir, `bare-${verb}.fifo`), join(dir, `bare-${verb}.log`)]
  await rm(fifo, { force: true })
  await rm(logFile, { force: true })
  await run({ program: 'mkfifo', args: ['-m', '600', fifo] })
  const client = await startDaemon(
    {
      program: process.execPath,
      args: [CLIENT, verb, fifo, key],
      env: {
        BENCH_BUCKET: bucket,
        BENCH_ENDPOINT: s3.endpoint,
        BENCH_CA: s3.caFile ?? '',
        BENCH_ACCESS_KEY: s3.accessKeyId,
        BENCH_SECRET_KEY: s3.secretAccessKey,
      },
    },
    { logFile, signal },
  )
  await until(async () => (await readFile(logFile, 'utf8')).includes('ready'), {
    timeoutMs: 60_000,
    everyMs: 20,
    what: 'the lean client',
    signal,
  })
  const redirect = verb === 'put' ? '>' : '<'
  return {
    loadCpu: cpuSeconds([String(client.pid)]),
    async run(script, env) {
      await run(
        { program: 'bash', args: ['-c', `set -eo pipefail; { ${script}; } ${redirect} "$FIFO"`], env: { ...env, FIFO: fifo } },
        { signal },
      )
      await endedWell(client, logFile)
    },
    end: () => client.stop(),
  }
}

async function endedWell(client: Daemon, logFile: string): Promise<void> {
  const code = await client.exited
  if (code !== 0) throw new Error(`the lean client exited with ${code}: ${await readFile(logFile, 'utf8')}`)
}
