/** Backups from before Holdfast by the command line: adopted once, proved, counted by retention by their own time. */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRocksdb } from '../../scripts/sources/rocksdb.ts'
import type { OpenSample } from '../../scripts/sources/sample.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { AdoptResult } from '../../workflows/adopt.ts'
import { answer, holdfast } from '../support/cli.ts'
import { openSourceStack, type SourceStack } from '../support/source-stack.ts'

let stack: SourceStack
let path: string
const backups = () => join(dirname(path), 'backups')
const cli = <T>(...args: string[]) => answer<T>(['--config', stack.configFile, ...args])

const withTwo: OpenSample = async (dir) => {
  const sample = await openRocksdb(dir)
  path = String(sample.config['path'])
  return { ...sample, config: { ...sample.config, retention: { keepLast: 1 } } }
}

beforeAll(async () => {
  stack = await openSourceStack({ store: withTwo })
  for (const day of ['17', '18']) {
    const id = `202510${day}_020000_nightly`
    await mkdir(join(backups(), id), { recursive: true })
    await cp(path, join(backups(), id, 'data'), { recursive: true })
    const metadata = { id, backup_type: 'nightly', created_at: `2025-10-${day}T02:00:00Z`, schema_version: 2, tags: ['production'] }
    await writeFile(join(backups(), id, 'metadata.json'), JSON.stringify(metadata))
  }
  await mkdir(join(backups(), 'half'))
}, 300_000)
afterAll(() => stack?.close())

describe('adopt', { timeout: 300_000 }, () => {
  it('makes points whose ids are of the time when they were taken, signed like all others', async () => {
    const done = await cli<AdoptResult>('adopt', 'store', backups())
    expect(done.adopted.map(({ id }) => id)).toEqual(['20251017_020000_adopted', '20251018_020000_adopted'])
    expect(done).toMatchObject({ already: 0, leftCount: 1, left: [{ from: join(backups(), 'half'), broken: false }] })
    const { manifest } = await cli<{ manifest: Manifest }>('show', 'store', '20251018_020000_adopted')
    expect(manifest).toMatchObject({
      createdAt: '2025-10-18T02:00:00.000Z',
      completedAt: '2025-10-18T02:00:00.000Z',
      tags: ['adopted', 'production'],
      schemaVersion: 2,
      adopted: { from: join(backups(), '20251018_020000_nightly') },
    })
    expect(manifest.warnings.join()).toMatch(/no checksum/)
  })

  it('a second time adopts nothing', async () => {
    expect(await cli('adopt', 'store', backups())).toMatchObject({ adopted: [], already: 2 })
    const { points } = await cli<{ points: unknown[] }>('list', 'store', '--tag', 'adopted')
    expect(points).toHaveLength(2)
  })

  it('is proved like any other point, and a backup of today is newer', async () => {
    expect(await cli('verify', 'store', '20251018_020000_adopted')).toMatchObject({ ok: true, depth: 'full' })
    await cli('backup', 'store', '--kind', 'manual')
    const { points } = await cli<{ points: { id: string }[] }>('list', 'store')
    // keepLast: 1 keeps the newest proved one; of those adopted nothing is left that a rule asks for.
    expect(points.map(({ id }) => id)).toEqual([expect.stringMatching(/_manual$/)])
  })

  it('says in words what it did, what it left alone and what comes next', async () => {
    const { stdout } = await holdfast(['--config', stack.configFile, 'adopt', 'store', backups(), '--dry-run'])
    expect(stdout).toMatch(/^store: 2 would be adopted, 0 adopted before, 1 left alone\n {2}adopted of 2025-10-17T02:00:00.000Z/)
    expect(stdout).toMatch(/left {3}\S+half {2}it has no metadata.json/)
  })
})
