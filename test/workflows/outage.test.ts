/** What is left to an operator while no side of a pair takes writes: the repository, and every promise that needs only it. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RecoveryReport } from '../../activities/recover.ts'
import type { RestoreReport } from '../../activities/restore.ts'
import type { Ended } from '../../src/contract/messages.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { withClient } from '../../src/drivers/postgres-common/connect.ts'
import { until } from '../../src/process/wait.ts'
import { ALL_ROLES, createPairSource, type PairSource } from '../support/pair-source.ts'
import { endOf } from '../support/workflows/source.ts'

let source: PairSource
beforeAll(async () => {
  source = await createPairSource()
})
afterAll(async () => source?.destroy())

const recover = (target: object = { latest: true }, tables = ['public.kept']) =>
  source.run<RecoveryReport & Ended>('pointInTimeRecovery', { source: 'shop', target, tables })
const discard = (instance: string, name = 'shop') => source.run<{ host?: string }>('discardInstance', { source: name, instance })
const folderOf = ({ instance, host = '' }: { instance: string; host?: string }) => join(source.scratchDir, host, instance)
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
const notes = (connection: string) =>
  withClient(connection, {}, async (client) => (await client.query<{ n: number }>('select count(*)::int as n from kept')).rows[0]?.n)

test('an instance is found and removed on the host where it was made, after the primary has moved to the other', async () => {
  await source.served(ALL_ROLES, async () => {
    await source.run('backup', { source: 'shop', kind: 'full' })
    await source.run('backup', { source: 'dumps' })
    const copy = await recover()
    expect(copy.host).toBe('east')
    expect(await isThere(folderOf(copy))).toBe(true)
    expect(await notes(copy.connection)).toBe(500)

    await source.pair.primary.supervise('stop')
    const beside = await recover()
    expect(beside, 'the standby answers, the configured host does not').toMatchObject({ host: 'west', walSwitched: false })
    expect(await discard(beside.instance)).toMatchObject({ host: 'west' })

    await source.pair.standby.query('select pg_promote()')
    expect(await discard(copy.instance)).toMatchObject({ discarded: copy.instance, host: 'east' })
    expect(await isThere(folderOf(copy))).toBe(false)
    expect(await processesIn(folderOf(copy))).toEqual([])
  })
})

test('an instance that is on no host is not reported as removed', async () => {
  await source.served(ALL_ROLES, async () => {
    expect(await endOf(discard('pitr-000000000000'))).toMatchObject({ code: 'NOT_FOUND', object: 'pitr-000000000000' })
    expect(await endOf(discard('restore-000000000000', 'dumps'))).toMatchObject({ code: 'NOT_FOUND' })
  })
})

test('a host that does not answer is named: the instance may still run there', async () => {
  await source.served('control,data,host:west', async () => {
    const end = await endOf(discard('pitr-000000000000'))
    expect(end).toMatchObject({ code: 'SOURCE_UNREACHABLE', message: expect.stringContaining('east') })
  })
})

describe('while no side takes writes', () => {
  beforeAll(async () => {
    await source.pair.standby.supervise('stop')
    const down = async () => (await processesIn(source.pair.standby.config.dataDir)).length === 0
    await until(down, { timeoutMs: 30_000, what: 'both sides to be down' })
  })

  test('physical and logical points are proved', async () => {
    await source.served(ALL_ROLES, async () => {
      for (const name of ['shop', 'dumps'])
        expect(await source.run('verifyRestore', { source: name, depth: 'full' })).toMatchObject({ ok: true, source: name })
    })
  })

  test('a moment is recovered from what was archived, and says that the live side could not end its segment', async () => {
    await source.served(ALL_ROLES, async () => {
      const copy = await recover()
      expect(copy).toMatchObject({ walSwitched: false, host: 'east', tables: [{ name: 'public.kept', rows: 500 }] })
      expect(copy.tables[0]?.copyBack).toContain('127.0.0.2')
      expect(await discard(copy.instance)).toMatchObject({ host: 'east' })
      expect(await isThere(folderOf(copy))).toBe(false)
    })
  })

  test('a table that there was not is named, and the recovery stays', async () => {
    await source.served(ALL_ROLES, async () => {
      const copy = await recover({ latest: true }, ['nope', 'public.kept'])
      expect(copy).toMatchObject({ outcome: 'degraded', warnings: ['there was no table nope at that time'] })
      expect(copy.tables.map(({ name }) => name)).toEqual(['public.kept'])
      expect(await notes(copy.connection)).toBe(500)
      await discard(copy.instance)
    })
  })

  test('a point of either source is restored beside', async () => {
    await source.served(ALL_ROLES, async () => {
      for (const name of ['shop', 'dumps']) {
        const restored = await source.run<RestoreReport>('restore', { source: name, recoveryPoint: 'latest', requestedBy: 'ana' })
        expect(await notes(String(restored.connection))).toBe(500)
        await discard(restored.instance, name)
        expect(await isThere(folderOf(restored))).toBe(false)
      }
    })
  })

  test('a recovery that fails leaves no instance behind', async () => {
    await source.served(ALL_ROLES, async () => {
      expect(await endOf(recover({ name: 'never' }))).toMatchObject({ code: 'TARGET_NOT_REACHED' })
      expect(await processesIn(source.scratchDir)).toEqual([])
    })
  })

  test('a backup is refused: it needs the side that takes writes', async () => {
    await source.served(ALL_ROLES, async () => {
      expect(await endOf(source.run('backup', { source: 'shop' }))).toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    })
  })
})

test('while both sides take writes a point is proved all the same', async () => {
  for (const site of [source.pair.primary, source.pair.standby]) {
    await site.supervise('start')
    const writes = () =>
      site.query('select pg_is_in_recovery() as standby').then(
        ([row]) => row?.['standby'] === false,
        () => false,
      )
    await until(writes, { timeoutMs: 60_000, what: `${site.name} to take writes` })
  }
  await source.served(ALL_ROLES, async () => {
    expect(await endOf(source.run('backup', { source: 'shop' }))).toMatchObject({
      message: expect.stringContaining('both sites take writes'),
    })
    expect(await source.run('verifyRestore', { source: 'shop', depth: 'restore' })).toMatchObject({ ok: true })
  })
})
