/** `npm run bench`: Holdfast against the bare tools, side by side in one run. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/core/errors.ts'
import { causesOf } from '../causes.ts'
import { createCleanup } from '../quickstart/stack.ts'
import { ensureToolbox } from '../toolbox/ensure.ts'
import { PAIR } from '../toolbox/programs.ts'
import type { Bench } from './bench.ts'
import { GROUPS, PARTS } from './parts.ts'
import { type Row, table } from './rows.ts'
import { bytesOf } from './size.ts'

const USAGE = `npm run bench [-- --json FILE] [--size 1GB] [--stream 2GB] [--rounds 3] [--only ${PARTS.join(',')}]`
const started = Date.now()
const say = (line: string) => void process.stdout.write(`${((Date.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      size: { type: 'string', default: '1GB' },
      stream: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: PARTS.join(',') },
      help: { type: 'boolean', default: false },
    },
  })
  const [size, rounds, only] = [bytesOf(values.size), Number(values.rounds), values.only.split(',')]
  const stream = values.stream === undefined ? longStream(size) : bytesOf(values.stream)
  const unknown = only.filter((name) => !PARTS.includes(name))
  if (values.help || !size || !stream || !(Number.isInteger(rounds) && rounds > 0) || unknown.length > 0) {
    process.stdout.write(`${unknown.length > 0 ? `no part ${unknown.join(', ')}\n` : ''}${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort(new Error(`stopped by ${signal}`)))
  const rows: Row[] = []
  const failed = await runGroups({ size, stream, rounds, signal: abort.signal }, only, rows)
  process.stdout.write(`\n${table(rows)}\n`)
  if (values.json) await writeFile(values.json, `${JSON.stringify({ rows }, null, 2)}\n`)
  return abort.signal.aborted ? 130 : failed ? 1 : 0
}

/** Twice the database, and never more than the promise is about. */
function longStream(size = 0): number {
  return Math.min(Math.max(2 * size, 5e8), 5e9)
}

type Given = Pick<Bench, 'size' | 'stream' | 'rounds' | 'signal'>

/** One group after the other, each with its own servers; a group that fails takes the others' figures with it into no grave. */
async function runGroups(given: Given, only: readonly string[], rows: Row[]): Promise<boolean> {
  let failed = false
  try {
    await ensureToolbox({ only: PAIR, progress: say, signal: given.signal })
  } catch (error) {
    say(messageOf(error))
    return true
  }
  for (const group of GROUPS) {
    const wanted = group.parts.filter((part) => only.includes(part))
    if (wanted.length === 0 || given.signal.aborted) continue
    const cleanup = createCleanup()
    const dir = await mkdtemp(join(tmpdir(), 'hf-bench-'))
    await chmod(dir, 0o755)
    cleanup.add(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }))
    const temp = process.env['TMPDIR']
    try {
      await group.run({ ...given, dir, cleanup, say, cores: availableParallelism(), add: (row) => void rows.push(row) }, wanted)
    } catch (error) {
      failed = true
      say(given.signal.aborted ? messageOf(given.signal.reason) : causesOf(error))
    } finally {
      say('stopping the servers')
      await cleanup.end()
      if (temp === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = temp
    }
  }
  return failed
}
