/** Runs that take each workflow type through what it does, with activities that play their part: what a replay is held to. */
import type { Client, WorkflowHandle } from '@temporalio/client'
import { createBackupActivities } from '../../activities/backup.ts'
import type { Services } from '../../activities/services.ts'
import type { Config } from '../../src/config/schema.ts'
import { abort, approve, attestFenced, pause, resume, retryStep, type RunView, skipStep, viewQuery } from '../../src/contract/messages.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { until } from '../../src/process/wait.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { catalogOn, putArtifact } from '../support/catalog.ts'
import { FACTS, pairFakes, PLAN } from '../support/workflows/pair.ts'
import { createGate, FINGERPRINT, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import type { Fakes } from '../support/workflows/stage.ts'

export interface Scenario {
  /** Name of the file: the workflow type, and after a dash what is special about it. */
  name: string
  type: string
  input: object
  fakes: Fakes
  /** What an operator, or another run, does to it; the recorder waits for its end. */
  meanwhile?(run: WorkflowHandle, client: Client): Promise<void>
  /** Another run than the one that was started: a lock. */
  record?: string
  /** How the recorded run ends; COMPLETED where nothing is said. */
  ends?: 'FAILED' | 'CANCELLED'
}

export const TABLES = 200
const source = { source: 'orders' }
const pitr = { ...source, target: { time: '2026-01-15T12:00:00Z' }, tables: ['public.orders'] }
const noApproval = { approvals: { count: 0, withinMs: 1 } }
const by = { actor: 'bo', reason: 'looks right' }
const FAILOVER = { group: 'shop', mode: 'unplanned', reason: 'east is down', requestedBy: 'ana' }
const FAILBACK = { group: 'shop', reason: 'east is back', requestedBy: 'ana' }
const old = [{ id: '20250101_120000_manual', reason: 'older than 30d' }]
const prunes: Fakes = { planRetention: async ({ source }) => ({ source, keep: [], delete: old, locked: [], held: [] }) }
const fail = async () => {
  throw refused('SPACE_SHORT', 'the disk is full')
}
const failing = (times: number, answer: unknown) => async () => {
  if (times-- > 0) throw refused('TRAFFIC_UNCONFIRMED', 'the name server is down')
  return answer
}
const homeFakes = (own: Fakes = {}): Fakes => ({
  ...sourceFakes(),
  ...pairFakes(
    { from: 'west', to: 'east', fromHost: 'db2', toHost: 'db1' },
    {
      exportLostWrites: async () => ({
        known: true,
        transactions: 3,
        tables: [{ name: 'public.orders', rows: 3, deletes: 0 }],
        exported: ['lost/orders.csv'],
        bytes: 120,
      }),
      rewindOldPrimary: async () => undefined,
      recloneOldPrimary: async () => undefined,
      removeKept: async () => undefined,
      ...own,
    },
  ),
})

const viewed = (run: WorkflowHandle, what: string, check: (view: RunView) => boolean) =>
  until(async () => check(await run.query(viewQuery)), { timeoutMs: 120_000, what })
const parkedAt = (run: WorkflowHandle, step: string) => viewed(run, `${step} parked`, (view) => view.awaiting?.what === step)
const approval = async (run: WorkflowHandle) => {
  await viewed(run, 'the approval', (view) => view.phase === 'approval' && view.plan !== undefined)
  await run.executeUpdate(approve, { args: [{ ...by, planHash: 'abc123' }] })
}

/** The real steps of a backup on a store in memory, of a database with many tables whose driver stores one artifact for each. */
function manyTables(): Fakes {
  const store = createMemoryStore()
  const catalog = catalogOn(store)
  const names = Array.from({ length: TABLES }, (_, n) => `table_${n}`)
  const driver: Partial<SourceDriver> = {
    kind: 'postgres-logical',
    preflight: async () => ({ versions: { server: '15' }, estimateBytes: 1000, findings: [] }),
    capture: async (_, { id }) => ({
      artifacts: await Promise.all(names.map((name) => putArtifact(store, 'orders', id, name))),
      consistency: { time: '2026-01-15T12:00:00Z' },
      sizeBytes: 1000,
      fileCount: TABLES,
      warnings: [],
    }),
  }
  const config = {
    sources: { orders: { driver: 'postgres-logical', repository: 'hot' } },
    encryption: { recipients: [] },
    failoverGroups: {},
  }
  const services = {
    config: config as unknown as Config,
    store: async () => store,
    catalog: async () => catalog,
    driver: async () => driver as SourceDriver,
  } as Partial<Services>
  return { ...sourceFakes(prunes), ...createBackupActivities(services as Services) }
}

function backups(): Scenario[] {
  const cancelled = createGate()
  return [
    { name: 'backup', type: 'backup', input: { ...source, prove: 'full', tags: ['nightly'] }, fakes: manyTables() },
    {
      name: 'backup-staged',
      type: 'backup',
      input: source,
      fakes: sourceFakes({ resolveSource: async () => ({ driver: 'redis', staged: true }) }),
    },
    {
      name: 'rebuildProjection',
      type: 'rebuildProjection',
      input: { projection: 'graph', parameters: { from_sequence: 0 }, requestedBy: 'ana' },
      fakes: sourceFakes({
        placeProjection: async () => ({ name: 'graph' }),
        rebuildProjection: async () => ({ projection: 'graph', said: {} }),
      }),
    },
    {
      name: 'recoverSite',
      type: 'recoverSite',
      input: { set: 'everything', requestedBy: 'ana', confirm: 'ab' },
      fakes: sourceFakes({
        findSet: async () => ({
          id: '20260115_120000_everything',
          members: [{ source: 'orders', repository: 'hot', required: true, after: [], barrier: {}, id: POINT }],
        }),
        planSet: async () => ({ members: [{ name: 'orders', required: true, after: [] }], parallel: 1 }),
        fingerprintOf: async () => FINGERPRINT,
        confirmationOf: async () => ({ digest: 'ab' }),
      }),
    },
    {
      name: 'backupWhenDue',
      type: 'backupWhenDue',
      input: source,
      fakes: sourceFakes({ isDue: async () => ({ due: true, detail: '10000 entries since the last point' }) }),
    },
    {
      name: 'backupSet',
      type: 'backupSet',
      input: { set: 'everything' },
      fakes: sourceFakes({
        planSet: async () => ({
          members: ['orders', 'users'].map((name) => ({ name, required: name === 'orders', after: [] })),
          parallel: 1,
        }),
        markBarrier: async () => ({ lsn: '0/1' }),
        recordSet: async () => ({ id: '20260115_120000_everything', complete: true, checks: [] }),
      }),
    },
    { name: 'backup-failed', ends: 'FAILED', type: 'backup', input: source, fakes: sourceFakes({ checksum: fail }) },
    {
      name: 'backup-cancelled',
      ends: 'CANCELLED',
      type: 'backup',
      input: source,
      fakes: sourceFakes({ dump: cancelled.wait(async () => ({})) }),
      meanwhile: async (run) => {
        await cancelled.reached()
        await run.cancel()
      },
    },
    {
      name: 'backup-unproved',
      type: 'backup',
      input: { ...source, prove: 'full' },
      fakes: sourceFakes({ proveRestore: async () => ({ ok: false, failures: ['digest'] }), planRetention: fail }),
    },
  ]
}

function recoveries(): Scenario[] {
  const restore = { ...source, recoveryPoint: 'latest', requestedBy: 'ana' }
  const live = { ...restore, target: 'live', confirm: FINGERPRINT }
  return [
    { name: 'verifyRestore', type: 'verifyRestore', input: source, fakes: sourceFakes() },
    { name: 'restore', type: 'restore', input: live, fakes: sourceFakes() },
    { name: 'restore-beside', type: 'restore', input: restore, fakes: sourceFakes() },
    { name: 'restore-failed', ends: 'FAILED', type: 'restore', input: live, fakes: sourceFakes({ swapIn: fail }) },
    { name: 'pointInTimeRecovery', type: 'pointInTimeRecovery', input: pitr, fakes: sourceFakes() },
    {
      name: 'pointInTimeRecovery-failed',
      ends: 'FAILED',
      type: 'pointInTimeRecovery',
      input: pitr,
      fakes: sourceFakes({ recoverToPoint: fail }),
    },
    { name: 'discardInstance', type: 'discardInstance', input: { ...source, instance: 'pitr-1' }, fakes: sourceFakes() },
  ]
}

function migrations(): Scenario[] {
  const input = { ...source, schemaVersion: 3, run: 'default', requestedBy: 'ana' }
  return [
    { name: 'migrate', type: 'migrate', input, fakes: sourceFakes() },
    { name: 'migrate-failed', ends: 'FAILED', type: 'migrate', input, fakes: sourceFakes({ runMigration: fail }) },
    {
      name: 'migrate-unrestored',
      ends: 'FAILED',
      type: 'migrate',
      input,
      fakes: sourceFakes({ checkMigration: fail, restoreAside: fail }),
    },
  ]
}

/** Two backups become points; one was adopted before, and a file is none. */
function adoption(): Scenario {
  const found = (day: string) => ({
    origin: day.repeat(32),
    from: `/var/backups/orders_202501${day}.dump`,
    kind: 'adopted',
    createdAt: `2025-01-${day}T02:00:00.000Z`,
    completedAt: `2025-01-${day}T02:00:00.000Z`,
    description: 'adopted',
    tags: ['adopted'],
    sizeBytes: 1000,
    warnings: [],
  })
  const left = [{ from: '/var/backups/README', why: 'it is no dump', broken: false }]
  return {
    name: 'adopt',
    type: 'adopt',
    input: { ...source, from: ['/var/backups'], requestedBy: 'ana' },
    fakes: sourceFakes({
      findBackups: async () => ({ backups: [found('11'), found('12')], already: 1, more: 0, left, leftCount: 1, brokenCount: 0 }),
      adoptBackup: async () => ({ attempt: 1, digest: 'd'.repeat(64), sizeBytes: 1000, storedBytes: 400, fileCount: 1, warnings: [] }),
    }),
  }
}

/** Made by themselves, after a backup, and taken where the point is not whole. */
function copies(): Scenario[] {
  const copied: Fakes = { resolveSource: async () => ({ driver: 'postgres-logical', copies: ['dr'] }) }
  const whole = (place: object) => 'repository' in place
  const recovered = sourceFakes()['recoverToPoint'] as Fakes[string]
  const damaged: Fakes = {
    otherPlace: async () => ({ repository: 'dr' }),
    proveRestore: async (asked) => ({
      ...asked,
      ok: whole(asked),
      seconds: 1,
      assertions: 3,
      passed: 3,
      failures: whole(asked) ? [] : ['damaged'],
    }),
  }
  return [
    {
      name: 'copyPoints',
      type: 'copyPoints',
      input: source,
      fakes: sourceFakes({ ...prunes, bringNotes: async () => ({ problems: ['altered'] }) }),
    },
    {
      name: 'copyPoints-log',
      type: 'copyPoints',
      input: source,
      fakes: sourceFakes({
        copyTargets: async () => ({ targets: [{ to: 'dr', verify: 'read', log: true }] }),
        copyLogs: async () => [{ archive: 'log', segments: 2, bytes: 80 }],
      }),
    },
    { name: 'backup-copied', type: 'backup', input: source, fakes: sourceFakes(copied) },
    { name: 'verifyRestore-copy', type: 'verifyRestore', input: { ...source, depth: 'read' }, fakes: sourceFakes(damaged) },
    { name: 'restore-copy', type: 'restore', input: { ...source, recoveryPoint: POINT, requestedBy: 'ana' }, fakes: sourceFakes(damaged) },
    {
      name: 'pointInTimeRecovery-copy',
      type: 'pointInTimeRecovery',
      input: pitr,
      fakes: sourceFakes({
        ...damaged,
        recoverToPoint: async (asked) => {
          if (!whole(asked)) throw refused('INTEGRITY', 'damaged')
          return recovered(asked)
        },
      }),
    },
  ]
}

function archived(): Scenario[] {
  const resolvePoint = async () => ({ id: POINT, archived: 'GLACIER' })
  const thaws = (): Fakes => {
    let looks = 0
    return { resolvePoint, thawPoint: async () => ({ archived: 3, left: looks++ < 3 ? 3 : 0, tier: 'Standard', lookSeconds: 1 }) }
  }
  const copiedLater = (): Fakes => {
    let plans = 0
    const frozen = [{ id: POINT, archived: 'GLACIER' }]
    const planned = { unproved: [], passedOver: [], left: 0 }
    return {
      ...thaws(),
      planCopies: async () => (plans++ === 0 ? { ...planned, points: [], frozen } : { ...planned, points: [{ id: POINT }] }),
    }
  }
  const rotatedLater = (): Fakes => {
    const frozen = [{ id: POINT, archived: 'GLACIER' }]
    const report = { ...source, recipients: ['age1new'], points: 1, former: {}, problems: [] }
    const rotateKeys = async ({ thaw = false }) =>
      thaw ? { ...report, rotated: 0, ids: [], frozen } : { ...report, rotated: 1, ids: [POINT] }
    return { ...thaws(), rotateKeys }
  }
  const move = [{ id: POINT, storageClass: 'GLACIER' }]
  const moving: Fakes = {
    planRetention: async ({ source }) => ({ source, keep: [{ id: POINT, reasons: ['newest'] }], delete: [], locked: [], held: [], move }),
    movePoints: async () => ({ objects: 3, bytes: 400, locked: 0 }),
  }
  const keepLogs = [{ archive: 'log', keep: '30d' }]
  const logging: Fakes = {
    planRetention: async ({ source }) => ({ source, keep: [], delete: [], locked: [], held: [], keepLogs }),
    planLog: async ({ archive, keep }) => ({ archive, keep, segments: 2, bytes: 80, first: '1-10.wal', last: '11-20.wal' }),
    removeLog: async () => ({}),
  }
  return [
    { name: 'copyPoints-archived', type: 'copyPoints', input: { ...source, thaw: true }, fakes: sourceFakes(copiedLater()) },
    { name: 'rotateKeys-archived', type: 'rotateKeys', input: { ...source, thaw: true }, fakes: sourceFakes(rotatedLater()) },
    { name: 'retention-moves', type: 'retention', input: source, fakes: sourceFakes(moving) },
    { name: 'retention-logs', type: 'retention', input: source, fakes: sourceFakes(logging) },
    {
      name: 'restore-archived',
      type: 'restore',
      input: { ...source, recoveryPoint: POINT, requestedBy: 'ana' },
      fakes: sourceFakes(thaws()),
    },
    {
      name: 'pointInTimeRecovery-archived',
      type: 'pointInTimeRecovery',
      input: pitr,
      fakes: sourceFakes({
        ...thaws(),
        planRecovery: async () => ({ id: POINT, timeline: 1, walSwitched: true, warnings: [], archived: 'GLACIER' }),
      }),
    },
    { name: 'verifyRestore-archived', ends: 'FAILED', type: 'verifyRestore', input: source, fakes: sourceFakes(thaws()) },
  ]
}

function points(): Scenario[] {
  const point = { ...source, recoveryPoint: POINT }
  return [
    adoption(),
    ...copies(),
    { name: 'retention', type: 'retention', input: {}, fakes: sourceFakes(prunes) },
    ...archived(),
    { name: 'deleteRecoveryPoint', type: 'deleteRecoveryPoint', input: { ...point, confirm: POINT }, fakes: sourceFakes() },
    { name: 'holdRecoveryPoint', type: 'holdRecoveryPoint', input: { ...point, actor: 'ana', reason: 'legal case' }, fakes: sourceFakes() },
    { name: 'rotateKeys', type: 'rotateKeys', input: {}, fakes: sourceFakes() },
    { name: 'checkKeys', type: 'checkKeys', input: {}, fakes: sourceFakes() },
    {
      name: 'checkKeys-failed',
      ends: 'FAILED',
      type: 'checkKeys',
      input: {},
      fakes: sourceFakes({
        checkKeys: async () => {
          throw refused('KEY_WRONG', 'the age identity does not open it')
        },
      }),
    },
    { name: 'walSwitch', type: 'walSwitch', input: source, fakes: sourceFakes() },
  ]
}

function failovers(): Scenario[] {
  return [
    { name: 'evaluateReadiness', type: 'evaluateReadiness', input: { group: 'shop' }, fakes: pairFakes() },
    { name: 'failover', type: 'failover', input: FAILOVER, fakes: pairFakes(), meanwhile: approval },
    {
      name: 'failover-planned',
      type: 'failover',
      input: { ...FAILOVER, mode: 'planned' },
      fakes: pairFakes({ fromRunning: true }),
      meanwhile: async (run) => {
        await viewed(run, 'the approval', (view) => view.plan !== undefined)
        await run.executeUpdate(pause, { args: [by] })
        await approval(run)
        await parkedAt(run, 'pause')
        await run.executeUpdate(resume, { args: [by] })
      },
    },
    {
      name: 'failover-attested',
      type: 'failover',
      input: FAILOVER,
      fakes: pairFakes(
        { ...noApproval, fromReachable: false },
        { updateDns: failing(2, { changed: true, confirmedBy: ['ns'], oldAnswersUntil: '', previous: [] }), firstGoodWrite: fail },
      ),
      meanwhile: async (run) => {
        await parkedAt(run, 'fenceOldPrimary')
        await run.executeUpdate(attestFenced, { args: [{ ...by, secondPerson: 'cy' }] })
        await parkedAt(run, 'updateDns')
        await run.executeUpdate(retryStep, { args: [{ ...by, step: 'updateDns' }] })
        await viewed(run, 'the second try', (view) => view.awaiting?.what === 'updateDns')
        await run.executeUpdate(retryStep, { args: [{ ...by, step: 'updateDns' }] })
        await parkedAt(run, 'checks')
        await run.executeUpdate(skipStep, { args: [{ ...by, step: 'checks' }] })
      },
    },
    {
      name: 'failover-aborted',
      ends: 'FAILED',
      type: 'failover',
      input: { ...FAILOVER, mode: 'planned' },
      fakes: pairFakes(noApproval, { awaitReplay: fail }),
      meanwhile: async (run) => {
        await parkedAt(run, 'awaitReplay')
        await run.executeUpdate(abort, { args: [by] })
      },
    },
    { name: 'failback', type: 'failback', input: FAILBACK, fakes: homeFakes(), meanwhile: approval },
    {
      name: 'failback-reclone',
      type: 'failback',
      input: FAILBACK,
      fakes: homeFakes({
        rewindOldPrimary: async () => {
          throw refused('REWIND_FAILED', 'no WAL back to the fork')
        },
      }),
      meanwhile: approval,
    },
    ...rebuilds(),
  ]
}

function rebuilds(): Scenario[] {
  const away = { name: 'standby streams', ok: false, blocks: true, detail: 'west does not stream from east' }
  const input = { group: 'shop', requestedBy: 'ana' }
  const fakes = (findings: object[], had = 'standby') => ({
    ...homeFakes({ retireStandby: async () => undefined, lookAtRetired: async () => ({ had }), removeKept: async () => ({}) }),
    planSwitch: async () => ({ ...PLAN, findings }),
  })
  return [
    ...['restore-pair', 'restore-pair-failed'].map((name): Scenario => {
      const ends = name.endsWith('failed') ? ('FAILED' as const) : undefined
      const own = {
        resolveSource: async () => ({ driver: 'postgres-physical', host: 'db1', pair: 'shop' }),
        inspect: async ({ site }: { site: string }) => ({ ...FACTS, role: site === 'east' ? 'primary' : 'standby' }),
        isApart: async () => ({ apart: false }),
        ...(ends && { swapIn: fail }),
      }
      const asked = { source: 'shop', recoveryPoint: POINT, requestedBy: 'ana', target: 'live', confirm: FINGERPRINT }
      return { name, type: 'restore', input: asked, fakes: { ...fakes([away]), ...own }, ...(ends && { ends }) }
    }),
    { name: 'rebuildStandby', type: 'rebuildStandby', input, fakes: fakes([away], 'own') },
    { name: 'rebuildStandby-new', type: 'rebuildStandby', input, fakes: fakes([away], 'nothing') },
    { name: 'rebuildStandby-back', type: 'rebuildStandby', input, fakes: fakes([away]) },
    { name: 'rebuildStandby-well', type: 'rebuildStandby', input, fakes: fakes([]) },
  ]
}

/** A lock that is asked, refuses, is taken by a failover, and ends. */
function lock(): Scenario {
  const held = createGate()
  return {
    name: 'resourceLock',
    type: 'backup',
    input: { source: 'shop' },
    fakes: { ...sourceFakes({ dump: held.wait(async () => ({})) }), ...pairFakes(noApproval) },
    meanwhile: async (_, client) => {
      await held.reached()
      const start = (type: string, input: object) =>
        client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-at-lock`, args: [input] })
      const refusedRun = await start('backup', { source: 'shop' })
      await refusedRun.result().catch(() => undefined)
      const taker = await start('failover', FAILOVER)
      await taker.result()
    },
    record: 'lock/source/shop',
  }
}

export const scenarios = (): Scenario[] => [...backups(), ...recoveries(), ...migrations(), ...points(), ...failovers(), lock()]
