/** A failback run on a real pair up to its plan: what was exported, what an operator is asked, and what stays on the disk. */
import { readdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRebuildActivities } from '../../activities/rebuild-site.ts'
import type { Services } from '../../activities/services.ts'
import type { Pair } from '../../scripts/toolbox/pair.ts'
import type { Config } from '../../src/config/schema.ts'
import { reject, type RunView, skipStep, viewQuery } from '../../src/contract/messages.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { promote } from '../../src/failover/database/promote.ts'
import { foldersOf } from '../../src/failover/database/rebuild-folders.ts'
import { rejoin } from '../../src/failover/database/rejoin.ts'
import { awaitStreaming } from '../../src/failover/database/streaming.ts'
import { until } from '../../src/process/wait.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { catchUp, crash, failOver, holdBack, openSides, type Side } from '../support/failback.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { failureOf, type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let pair: Pair
let east: Side
let west: Side
let stage: Stage
const store = createMemoryStore()
const by = { actor: 'bo', reason: 'looked at it' }

beforeAll(async () => {
  stage = await openStage()
  ;({ pair, east, west } = await openSides())
})
afterAll(async () => {
  await pair?.destroy()
  await stage?.close()
})

/** What rebuilds is real; what plans is not, because no plan is followed here. */
function fakes(epoch: number): Fakes {
  const group = { sites: { east: east.place.config, west: west.place.config }, database: pair.database, source: 'orders', traffic: [] }
  const config = {
    failoverGroups: { shop: group },
    sources: { orders: { driver: 'postgres-logical', repository: 'hot' } },
    encryption: { recipients: [] },
  }
  const services: Pick<Services, 'config' | 'store'> = { config: config as unknown as Config, store: async () => store }
  return {
    ...pairFakes({ epoch, from: 'west', to: 'east', fromHost: 'db2', toHost: 'db1' }),
    ...createRebuildActivities(services),
  }
}

let count = 0
/** A failback whose plan is rejected: where it has to ask about the export, it is told to go on. Gives what it asked. */
async function rejected(epoch: number): Promise<string | undefined> {
  return stage.play(fakes(epoch), async () => {
    const run: WorkflowHandle = await stage.client.workflow.start('failback', {
      taskQueue: 'holdfast',
      workflowId: `failback-${++count}`,
      args: [{ group: 'shop', reason: 'east is back', requestedBy: 'ana' }],
    })
    const viewed = async (check: (view: RunView) => boolean) =>
      until(
        async () => {
          const view = (await run.query(viewQuery)) as RunView
          return check(view) && view
        },
        { timeoutMs: 120_000, everyMs: 100, what: 'the view' },
      )
    const planned = ({ phase, plan }: RunView) => phase === 'approval' && plan !== undefined
    const { awaiting } = await viewed((view) => view.awaiting !== undefined || planned(view))
    if (awaiting) {
      expect(awaiting.what, awaiting.why).toBe('exportLostWrites')
      await run.executeUpdate(skipStep, { args: [{ ...by, step: 'exportLostWrites' }] })
    }
    await viewed(planned)
    await run.executeUpdate(reject, { args: [by] })
    expect((await failureOf(run.result())).code).toBe('REJECTED')
    return awaiting?.why
  })
}

async function lose(sql: string, epoch: number): Promise<void> {
  await catchUp(east, west)
  await holdBack(west)
  await east.place.query(sql)
  await crash(east)
  await failOver(east, west, epoch)
}

async function beside(): Promise<string[]> {
  return (await readdir(dirname(east.site.dataDir))).filter((name) => name.startsWith('data.') && name !== 'data.holdfast').sort()
}

const exported = async () => {
  const keys: string[] = []
  for await (const { key } of store.list('holdfast/v1/orders/lost-')) keys.push(key)
  return keys
}

test('what was exported whole leaves no copy behind once the site streams, also where the plan is rejected', async () => {
  await lose('insert into t values (100)', 1)
  expect(await rejected(1)).toBeUndefined()
  expect(await exported()).toEqual([expect.stringMatching(/lost\.shop\.public\.t\.csv/)])
  expect(await beside()).toEqual([])
})

test('what could not all be exported is asked about, and asked about again as long as its data is kept', async () => {
  const mustReach = await fence(west.site, { epoch: 2, mode: 'planned', timeoutMs: 20_000 })
  await promote(east.site, { epoch: 2, recordNoReturn: async () => {}, mustReach })
  await rejoin({ site: west.site, primary: east.site, epoch: 2 })
  await awaitStreaming(east.site, west.site, { timeoutMs: 90_000, epoch: 2 })
  await lose('create table late (id int)', 3)
  expect(await rejected(3)).toContain('changed the schema')
  expect(await beside()).toEqual(['data.before-rewind', 'data.before-rewind.json'])
  expect(await rejected(3), 'of a site that streams by now').toContain('changed the schema')
  expect(await beside()).toEqual(['data.before-rewind', 'data.before-rewind.json'])
  const { kept, keptNote } = foldersOf(east.site.dataDir)
  await rm(kept, { recursive: true })
  await rm(keptNote)
  expect(await rejected(3), 'once somebody has removed it').toBeUndefined()
})
