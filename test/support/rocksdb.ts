/** Real RocksDB databases, made and changed with the tools that come with RocksDB. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillStore, storeContents } from '../../scripts/sources/rocksdb.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { type RocksdbSourceConfig, rocksdbSource } from '../../src/drivers/rocksdb/config.ts'
import { holdersOf } from '../../src/drivers/rocksdb/holders.ts'
import { createRocksdb } from '../../src/drivers/rocksdb/index.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'

export const LDB = findProgram('ldb')

export const ldb = async (path: string, ...args: string[]): Promise<string> =>
  (await run({ program: LDB, args: [`--db=${path}`, ...args] })).stdout

export interface Store {
  dir: string
  path: string
  config(more?: object): RocksdbSourceConfig
  driver(more?: object, steadyMs?: number): SourceDriver
  put(...pairs: string[]): Promise<void>
  /** Every key with its value, of every column family. */
  contents(path?: string): Promise<string>
  remove(): Promise<void>
}

/** A store with two column families and a few files, some of it only in its log. */
export async function makeStore(): Promise<Store> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-rocksdb-'))
  const path = join(dir, 'store')
  await fillStore(path, 2000)
  const config = (more: object = {}) =>
    rocksdbSource.parse({ driver: 'rocksdb', host: 'here', repository: 'hot', path, programs: { ldb: LDB }, ...more })
  return {
    dir,
    path,
    config,
    driver: (more, steadyMs = 60_000) => createRocksdb({ config: config(more), source: 'orders', steadyMs }),
    put: async (...pairs) => void (await ldb(path, 'batchput', ...pairs)),
    contents: (of = path) => storeContents(of),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

/** A program that writes keys from 0 up without a gap until it is stopped, and flushes often. */
export async function startWriter(path: string): Promise<() => Promise<void>> {
  const often = ['--write_buffer_size=131072', '--benchmark_write_rate_limit=100000']
  const args = [`--db=${path}`, '--benchmarks=fillseq', '--num=100000000', '--value_size=100', '--compression_type=none', ...often]
  const stop = await untilOpen(spawn(findProgram('db_bench'), args, { stdio: 'ignore' }), path)
  // Open, a new store may still be without its first files.
  const written = async () => (await readdir(path)).some((name) => name.endsWith('.sst'))
  await until(written, { timeoutMs: 30_000, what: `${path} to be written to` })
  return stop
}

/** A program that has the store open and does nothing. */
export function holdOpen(path: string): Promise<() => Promise<void>> {
  return untilOpen(spawn(LDB, [`--db=${path}`, 'query'], { stdio: ['pipe', 'ignore', 'ignore'] }), path)
}

async function untilOpen(child: ChildProcess, path: string): Promise<() => Promise<void>> {
  const ended = new Promise((done) => child.once('exit', done))
  await until(async () => (await holdersOf(path)).some(({ pid }) => pid === child.pid), { timeoutMs: 30_000, what: `${path} to be opened` })
  return async () => {
    child.kill('SIGKILL')
    await ended
  }
}
