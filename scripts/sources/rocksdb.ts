/** A RocksDB store with two column families, some of it in files and some only in its log. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import { run } from '../../src/process/run.ts'
import { findProgram } from '../toolbox/find.ts'
import type { OpenSample } from './sample.ts'

const ldb = async (path: string, ...args: string[]): Promise<string> =>
  (await run({ program: findProgram('ldb'), args: [`--db=${path}`, ...args] }, { maxOutputBytes: 256 * 1024 * 1024 })).stdout

/** So many keys in order, without a gap; the same ones with the same values each time. */
export async function fillStore(path: string, keys: number): Promise<void> {
  const args = [`--db=${path}`, '--benchmarks=fillseq', `--num=${keys}`, '--value_size=100', '--compression_type=none', '--seed=7']
  await run({ program: findProgram('db_bench'), args })
  await ldb(path, 'create_column_family', 'users')
  await ldb(path, '--column_family=users', 'put', 'ana', 'one')
  await ldb(path, 'put', 'k1', 'v1')
}

/** Every key with its value. */
export async function storeContents(path: string): Promise<string> {
  const families = /^\{(.*)\}$/m.exec(await ldb(path, 'list_column_families'))?.[1]?.split(', ') ?? []
  const read = families.map(
    async (family) => `${family} ${blake3(await ldb(path, '--hex', `--column_family=${family}`, 'scan')).toString('hex')}`,
  )
  return (await Promise.all(read)).join('\n')
}

export const openRocksdb: OpenSample = async (dir) => {
  const path = join(dir, 'store')
  await fillStore(path, 20_000)
  return {
    driver: 'rocksdb',
    config: { host: 'here', path, programs: { ldb: findProgram('ldb') }, verify: { assertions: [{ get: 'k1', equals: 'v1' }] } },
    env: {},
    contents: () => storeContents(path),
    async change() {
      await ldb(path, '--column_family=users', 'put', 'bo', 'two')
      await ldb(path, 'put', 'k1', 'v2')
    },
    // What a program makes that finds nothing where its store was.
    async destroy() {
      await rm(path, { recursive: true })
      await ldb(path, 'put', 'first', 'again', '--create_if_missing')
    },
    leftovers: async () => (await readdir(dir)).filter((name) => name !== 'store' && !name.startsWith('store_pre_restore_')),
    close: async () => {},
  }
}
