/** ldb, the tool that comes with RocksDB: what is asked of it and how its answers are read. Its exit code alone is not believed. */
import { HoldfastError } from '../../core/errors.ts'
import { startChain } from '../../process/chain.ts'
import { type RunResult, run } from '../../process/run.ts'

export interface Ldb {
  program: string
  /** The folder of the database. */
  db: string
  signal?: AbortSignal
}

/** Runs it; exit code 1, which means anything, is the caller's to judge. */
export function ldb({ program, db, signal }: Ldb, args: readonly string[]): Promise<RunResult> {
  return run({ program, args: [`--db=${db}`, ...args] }, { accept: [0, 1], ...(signal && { signal }) })
}

/** `7.8.3`, of the RocksDB that it was built with. */
export async function ldbVersion({ program, signal }: Omit<Ldb, 'db'>): Promise<string> {
  const { stdout, stderr } = await run({ program, args: ['--version'] }, { ...(signal && { signal }) })
  const found = /(\d+\.\d+(?:\.\d+)*)/.exec(stdout + stderr)?.[1]
  if (found) return found
  throw new HoldfastError('VERSION_UNFIT', `${program} does not say its version: ${stdout.trim()}`, { object: program })
}

export async function columnFamiliesOf(on: Ldb): Promise<string[]> {
  const answer = await ldb(on, ['list_column_families'])
  const names = /^\{(.*)\}$/m.exec(answer.stdout)?.[1]
  if (answer.exitCode === 0 && names !== undefined) return names.split(', ')
  throw notOpened(on, answer)
}

/** As the engine counts: by files, with what was overwritten or deleted. The same files give the same number. */
export async function estimatedKeys(on: Ldb, columnFamily: string): Promise<number> {
  const answer = await ldb(on, [`--column_family=${columnFamily}`, 'get_property', 'rocksdb.estimate-num-keys'])
  const found = /: (\d+)\s*$/.exec(answer.stdout)?.[1]
  if (answer.exitCode === 0 && found !== undefined) return Number(found)
  throw notOpened(on, answer)
}

/**
 * Reads every key, and with it every block and every blob: of all that ldb offers only this sees a flipped bit in its
 * exit code. What it says on stderr is looked at all the same.
 */
export async function readAll(on: Ldb, columnFamily: string): Promise<{ keys: number; problem?: string }> {
  // In hexadecimal digits, because a key may have lines of its own.
  const args = [`--db=${on.db}`, `--column_family=${columnFamily}`, '--key_hex', 'scan', '--no_value']
  const chain = startChain([{ program: on.program, args }], { accept: [0, 1], ...(on.signal && { signal: on.signal }) })
  let keys = 0
  for await (const chunk of chain.stdout as AsyncIterable<Buffer>)
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) keys += 1
  await chain.done
  const [end] = chain.ended()
  const stderr = end?.stderr ?? ''
  const sound = end?.exitCode === 0 && !/corrupt/i.test(stderr)
  return { keys, ...(!sound && { problem: saidBy({ stdout: '', stderr }) }) }
}

/** The value in hexadecimal digits; undefined where there is no such key. */
export async function valueUnder(on: Ldb, columnFamily: string, keyHex: string): Promise<string | undefined> {
  const answer = await ldb(on, [`--column_family=${columnFamily}`, '--hex', 'get', `0x${keyHex}`])
  if (answer.exitCode === 0) return answer.stdout.trim().replace(/^0x/i, '').toLowerCase()
  if (/NotFound/.test(answer.stderr)) return undefined
  throw notOpened(on, answer)
}

export const OWN_PROGRAM =
  'where the store has a comparator or merge operator of its own: name its program as openCheck, and its call as checkpoint'

export function notOpened({ db }: Pick<Ldb, 'db'>, answer: Pick<RunResult, 'stdout' | 'stderr'>): HoldfastError {
  const said = saidBy(answer)
  return new HoldfastError('INTEGRITY', `Failed to open backup database at ${db}: ${said}`, {
    object: db,
    next: OWN_PROGRAM,
    details: { said },
  })
}

/** The last that it said, on one line. */
export function saidBy({ stdout, stderr }: Pick<RunResult, 'stdout' | 'stderr'>): string {
  return (stderr.trim() || stdout.trim() || 'it said nothing').split('\n').slice(-3).join(' | ').slice(0, 600)
}
