/** Which backups of a stanza that several sources share a source adopts. */
import { expect, it } from 'vitest'
import { createAdoption } from '../../../src/drivers/postgres-physical/adopt.ts'
import type { Capturing } from '../../../src/drivers/postgres-physical/capture.ts'
import type { EngineBackup } from '../../../src/drivers/postgres-physical/engine.ts'
import { contextFor } from '../../conformance/driver.ts'

const at = '2026-01-01T00:00:00Z'
const backup = (label: string, ...needs: string[]): Partial<EngineBackup> => ({
  label,
  type: needs.length > 0 ? 'incremental' : 'full',
  systemId: '7',
  needs,
  startedAt: at,
  stoppedAt: at,
})

const find = (backups: Partial<EngineBackup>[], { known, own }: { known: string[]; own: string[] }) => {
  const on = { engine: { stanza: 'main', info: async () => ({ systemId: '7', backups }) } } as unknown as Capturing
  return createAdoption(on).find(contextFor(), [], new Set(known), new Set(own))
}

it('a backup that builds on the point of another source is left for that one, and is not broken; others are adopted', async () => {
  const backups = [backup('theirs'), backup('on-theirs', 'theirs'), backup('ours'), backup('on-ours', 'ours'), backup('on-none', 'gone')]
  const found = await find(backups, { known: ['theirs'], own: [] })
  expect(found.already).toBe(1)
  expect(found.backups.map(({ origin }) => origin)).toEqual(['ours', 'on-ours'])
  expect(found.left).toEqual([
    { from: 'stanza main, on-theirs', why: expect.stringContaining('theirs, of which another source has the point'), broken: false },
    { from: 'stanza main, on-none', why: expect.stringContaining('is and becomes no point'), broken: true },
  ])
})

it('a backup that builds on a point of its own source is adopted', async () => {
  const found = await find([backup('ours'), backup('on-ours', 'ours')], { known: ['ours'], own: ['ours'] })
  expect(found.backups.map(({ origin }) => origin)).toEqual(['on-ours'])
})
