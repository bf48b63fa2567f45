/** A store of one's own by the command line: every operation that such a store's users know is one line. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorkerProcess } from '../../scripts/quickstart/stack.ts'
import { openRocksdb, storeContents } from '../../scripts/sources/rocksdb.ts'
import type { OpenSample } from '../../scripts/sources/sample.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import type { Manifest } from '../../src/core/records.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import type { BackupResult } from '../../workflows/backup.ts'
import { answer, holdfast, refusal } from '../support/cli.ts'
import { openSourceStack, type SourceStack } from '../support/source-stack.ts'
import { endOf } from '../support/workflows/source.ts'

const LDB = findProgram('ldb')
let stack: SourceStack
let path: string
const store = () => stack.samples['store'] ?? { leftovers: async () => ['no sample'] }
const put = async (...pair: string[]) => void (await run({ program: LDB, args: [`--db=${path}`, 'put', ...pair] }))
const get = async (key: string) => (await run({ program: LDB, args: [`--db=${path}`, 'get', key] })).stdout.trim()
const cli = <T>(...args: string[]) => answer<T>(['--config', stack.configFile, ...args])
const manifestOf = async (id: string) => (await cli<{ manifest: Manifest }>('show', 'store', id)).manifest

const withMigrations: OpenSample = async (dir) => {
  const sample = await openRocksdb(dir)
  path = String(sample.config['path'])
  const ldb = (...words: string[]) => [LDB, `--db=${path}`, ...words]
  const checks = ['sh', '-c', `test "$("$0" --db="$1" get schema)" = "$2"`, LDB, path, '{schemaVersion}']
  const migrations = {
    good: { run: ldb('put', 'schema', '{schemaVersion}'), check: checks },
    wrong: { run: ldb('put', 'schema', 'nonsense'), check: checks },
    broken: { run: ['sh', '-c', 'rm "$0"/MANIFEST-*; echo no such column >&2; exit 4', path] },
  }
  // As by a power cut, in the middle of it.
  const killing = { run: ['sh', '-c', '"$0" --db="$1" put half done; kill -9 $PPID; sleep 60', LDB, path] }
  return { ...sample, config: { ...sample.config, migrations: { ...migrations, killing } } }
}

beforeAll(async () => {
  stack = await openSourceStack({ store: withMigrations })
}, 300_000)
afterAll(() => stack?.close())

describe('a store of one’s own', { timeout: 300_000 }, () => {
  let first: string

  it('is backed up by hand with words of one’s own, and proved at once', async () => {
    const words = ['-d', 'Pre-deployment backup', '-t', 'deployment', '-t', 'production', '--schema-version', '2']
    const done = await cli<BackupResult>('backup', 'store', ...words)
    expect(done).toMatchObject({ kind: 'manual', proof: { ok: true, depth: 'full' } })
    first = done.id
    const manifest = await manifestOf(first)
    expect(manifest).toMatchObject({ description: 'Pre-deployment backup', tags: ['deployment', 'production'], schemaVersion: '2' })
    expect(manifest.inventory?.['folder']).toMatchObject({ files: manifest.fileCount, bytes: manifest.sizeBytes })
    expect(manifest.inventory?.['folder']?.['checksum']).toMatch(/^[0-9a-f]{64}$/)
    expect(await store().leftovers()).toEqual([])
  })

  it('is backed up as by its schedule, and before a migration of somebody else', async () => {
    expect(await cli<BackupResult>('backup', 'store', '--kind', 'scheduled')).toMatchObject({ kind: 'scheduled' })
    const before = ['--kind', 'pre_migration', '--schema-version', '2', '-d', 'Pre-migration to v3']
    const { id } = await cli<BackupResult>('backup', 'store', ...before)
    expect(await manifestOf(id)).toMatchObject({ kind: 'pre_migration', schemaVersion: '2' })
  })

  it('is backed up incrementally: files that are stored are taken over, and keep their point from being deleted', async () => {
    await put('k2', 'v2')
    const { id, storedBytes } = await cli<BackupResult>('backup', 'store', '--kind', 'incremental')
    const manifest = await manifestOf(id)
    expect(manifest.parents.length).toBeGreaterThan(0)
    const parent = manifest.parents[0] ?? ''
    expect(storedBytes).toBeLessThan((await manifestOf(parent)).storedBytes)
    const config = ['--config', stack.configFile]
    expect(await refusal([...config, 'delete', 'store', parent, '--confirm', parent])).toMatchObject({ code: 'POINT_PROTECTED' })
  })

  it('is told of in numbers, and listed by kind and by what is proved', async () => {
    expect(await cli('stats', 'store')).toMatchObject({
      total_backups: 4,
      by_type: { manual: 1, scheduled: 1, pre_migration: 1, incremental: 1 },
      verified_count: 4,
      unverified_count: 0,
      alerts: [],
    })
    const listed = await cli<{ points: { id: string }[]; total: number }>('list', 'store', '--kind', 'manual', '--verified')
    expect(listed).toMatchObject({ total: 1, points: [{ id: first, good: true }] })
  })

  it('says what changed between two points, from the repository alone', async () => {
    await put('k2', 'other')
    const { id } = await cli<BackupResult>('backup', 'store')
    const found = await cli<{ files: { added: unknown[]; same: number }; facts: { thing: string }[] }>('diff', 'store', first, id)
    expect(found.files.added.length).toBeGreaterThan(0)
    expect(found.files.same).toBeGreaterThan(0)
    expect(found.facts.map(({ thing }) => thing)).toContain('folder')
    expect((await holdfast(['--config', stack.configFile, 'diff', 'store', first, id])).stdout).toMatch(
      /^store from \S+ to \S+: \d+ files added/,
    )
    await cli('delete', 'store', id, '--confirm', id)
  })

  it('is restored to a path of one’s own, which stays when the instance is discarded', async () => {
    const into = join(dirname(path), 'restored')
    const { instance } = await cli<{ instance: string }>('restore', 'store', first, '--into', into)
    await cli('discard', 'store', instance)
    expect(await readdir(into)).toContain('CURRENT')
    expect((await stat(into)).mode & 0o777).toBe(0o700)
    expect((await run({ program: LDB, args: [`--db=${into}`, 'get', 'k1'] })).stdout.trim()).toBe('v1')
    expect(await get('k2')).toBe('other')
  })

  it('is migrated, with a proved point before it', async () => {
    const done = await cli<{ recoveryPoint: string }>('migrate', 'store', '--to', '3', '--run', 'good', '--from', '2')
    expect(done).toMatchObject({ outcome: 'success', schemaVersion: '3', run: 'good', proof: { ok: true } })
    expect(await manifestOf(done.recoveryPoint)).toMatchObject({
      kind: 'pre_migration',
      schemaVersion: '2',
      description: 'Pre-migration to v3',
    })
    expect(await get('schema')).toBe('3')
  })

  it.each(['wrong', 'broken'])('whose migration is %s is what it was before, and the answer says so', async (name) => {
    const before = await storeContents(path)
    const said = await refusal(['--config', stack.configFile, 'migrate', 'store', '--to', '4', '--run', name])
    expect(said).toMatchObject({ code: 'MIGRATION_FAILED', object: name })
    expect(said.message).toMatch(/store is restored from \d{8}_\d{6}_pre_migration/)
    expect(await storeContents(path)).toBe(before)
    expect((await readdir(dirname(path))).filter((entry) => entry.includes('_pre_restore_')).length).toBeGreaterThan(0)
  })

  it('whose worker dies in the middle of a migration is what it was before, once there is a worker again', async () => {
    const before = await storeContents(path)
    const input = { source: 'store', schemaVersion: 4, run: 'killing' }
    const run = await stack.client.workflow.start('migrate', { taskQueue: 'holdfast', workflowId: 'migrate-killed', args: [input] })
    await until(async () => (await storeContents(path)) !== before, { timeoutMs: 60_000, everyMs: 200, what: 'the half of the migration' })
    const worker = await startWorkerProcess(dirname(stack.configFile), stack.configFile, { roles: 'control,data,host:here' })
    try {
      expect(await endOf(run.result())).toMatchObject({
        code: 'MIGRATION_FAILED',
        message: expect.stringMatching(/store is restored from \d{8}_\d{6}_pre_migration/),
      })
      expect(await storeContents(path)).toBe(before)
      expect((await readdir(dirname(path))).filter((entry) => !/^(store|restored)$|_pre_restore_/.test(entry))).toEqual([])
    } finally {
      await worker.stop()
    }
  })

  it('names its migrations where none of them was named', async () => {
    const said = await refusal(['--config', stack.configFile, 'migrate', 'store', '--to', '4'])
    expect(said).toMatchObject({ code: 'INPUT_INVALID', next: 'name one with --run good' })
  })

  it('comes back from the repository alone', async () => {
    const into = join(dirname(path), 'offline')
    const key = /^ {4}test: (\S+)$/m.exec(await readFile(stack.configFile, 'utf8'))?.[1] ?? ''
    const keys = join(dirname(stack.configFile), 'keys')
    const [identity = ''] = (await readdir(keys)).filter((name) => !name.endsWith('.pem'))
    const repository = `folder:${join(dirname(stack.configFile), 'hot')}`
    const args = ['--repository', repository, '--identity', join(keys, identity), '--public-key', `test=${key}`, '--into', into]
    const { files } = await answer<{ files: string[] }>(['restore', '--offline', 'store', first, ...args])
    expect(files.length).toBeGreaterThan(3)
    expect((await run({ program: LDB, args: [`--db=${into}`, 'get', 'k1'] })).stdout.trim()).toBe('v1')
  })
})
