import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AdoptResult } from '../../workflows/adopt.ts'
import { endOf, refused, sourceFakes } from '../support/workflows/source.ts'
import { type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.close())

const old = (day: number) => ({
  origin: `digest ${day}`,
  from: `/var/backups/2025010${day}.dump`,
  kind: 'adopted',
  createdAt: `2025-01-0${day}T02:00:00.000Z`,
  completedAt: `2025-01-0${day}T02:10:00.000Z`,
  description: 'adopted',
  tags: ['adopted'],
  sizeBytes: 1000,
  warnings: [],
})
const found = { backups: [old(1), old(2)], already: 0, more: 0, left: [], leftCount: 0, brokenCount: 0 }
const captured = { attempt: 1, digest: 'd'.repeat(64), sizeBytes: 1000, storedBytes: 400, fileCount: 1, warnings: [] }

let serial = 0
async function adopt(fakes: Fakes, input: object = {}) {
  const own = sourceFakes({ findBackups: async () => found, adoptBackup: async () => captured, ...fakes })
  return stage.play(own, async () => {
    const args = [{ source: 'orders', from: ['/var/backups'], requestedBy: 'ana', ...input }]
    const run = await stage.client.workflow.start('adopt', { taskQueue: 'holdfast', workflowId: `adopt-${++serial}`, args })
    return (await run.result().catch(() => endOf(run.result()))) as AdoptResult & { outcome: string; code?: string; message?: string }
  })
}

describe('adopt', () => {
  it('reserves, stores, checks and publishes one after the other, each at the time when it was taken', async () => {
    const reserved: unknown[] = []
    const published: unknown[] = []
    const done = await adopt({
      reserveId: async (input) => ({ id: `point-${reserved.push(input)}` }),
      publish: async (input) => void published.push(input),
    })
    expect(done).toMatchObject({ outcome: 'success', adopted: [{ id: 'point-1' }, { id: 'point-2' }] })
    expect(reserved).toMatchObject([{ at: '2025-01-01T02:00:00.000Z', kind: 'adopted' }, { at: '2025-01-02T02:00:00.000Z' }])
    expect(published).toMatchObject([
      { id: 'point-1', description: 'adopted', tags: ['adopted'] },
      { id: 'point-2', digest: captured.digest },
    ])
    expect(stage.ran.filter((name) => name !== 'acquireLock')).toEqual([
      'resolveSource',
      'findBackups',
      ...['reserveId', 'adoptBackup', 'checksum', 'publish'],
      ...['reserveId', 'adoptBackup', 'checksum', 'publish'],
      'writeEvidence',
    ])
  })

  it('in a dry run names what it would adopt, and neither reserves nor stores', async () => {
    const done = await adopt({}, { dryRun: true })
    expect(done.adopted.map(({ from, id }) => [from, id])).toEqual([
      ['/var/backups/20250101.dump', undefined],
      ['/var/backups/20250102.dump', undefined],
    ])
    expect(stage.ran).not.toContain('reserveId')
  })

  it('that fails midway removes what it had of that one, and keeps those before it', async () => {
    const discarded: unknown[] = []
    const done = await adopt({
      reserveId: async ({ at }) => ({ id: at }),
      adoptBackup: async ({ id }) => {
        if (id === old(2).createdAt) throw refused('INTEGRITY', 'it is not what it was')
        return captured
      },
      discard: async (input) => void discarded.push(input),
    })
    expect(done).toMatchObject({ code: 'INTEGRITY' })
    expect(discarded).toEqual([{ source: 'orders', id: old(2).createdAt }])
    expect(stage.ran.filter((name) => name === 'publish')).toHaveLength(1)
  })

  it.each([
    ['something was broken', { brokenCount: 1 }],
    ['there is more for another run', { more: 3 }],
  ])('is degraded where %s', async (_, more) => {
    expect((await adopt({ findBackups: async () => ({ ...found, ...more }) })).outcome).toBe('degraded')
  })

  it('without a name of who asks ends at once', async () => {
    expect(await adopt({}, { requestedBy: undefined })).toMatchObject({ code: 'INPUT_INVALID' })
  })
})
