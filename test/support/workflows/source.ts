/** Activities of a source that plays its part, and a gate: an activity that stays where it is until a test lets it go. */
import { ApplicationFailure } from '@temporalio/common'
import { ActivityFailure, ChildWorkflowFailure, WorkflowFailedError } from '@temporalio/client'
import { withProgress } from '../../../activities/context.ts'
import { until } from '../../../src/process/wait.ts'
import type { Fakes } from './stage.ts'

export const POINT = '20260115_120000_manual'
export const FINGERPRINT = 'shop@127.0.0.2:5432/7301'
/** What a driver knows of the command that is right. */
export const CONFIRMED = `holdfast restore orders ${POINT} --live --confirm ${FINGERPRINT}`

export function sourceFakes(own: Fakes = {}): Fakes {
  return {
    listSources: async () => ['orders', 'users'],
    resolveSource: async () => ({ driver: 'postgres-logical' }),
    reserveId: async () => ({ id: POINT }),
    preflight: async () => ({ estimateBytes: 1000, warnings: [] }),
    snapshot: async () => ({ snapshot: { name: 'left' } }),
    removeSnapshot: async () => undefined,
    upload: async () => ({ attempt: 1, digest: 'd'.repeat(64), sizeBytes: 1000, storedBytes: 400, fileCount: 1, warnings: [] }),
    dump: async () => ({ attempt: 1, digest: 'd'.repeat(64), sizeBytes: 1000, storedBytes: 400, fileCount: 200, warnings: [] }),
    checksum: async () => ({ objects: 200, bytes: 400 }),
    publish: async () => ({ id: POINT }),
    discard: async () => undefined,
    discardCapture: async () => undefined,
    resolvePoint: async () => ({ id: POINT }),
    otherPlace: async () => ({}),
    copyTargets: async () => ({ targets: [{ to: 'dr', verify: 'read' }] }),
    planCopies: async () => ({ points: [{ id: POINT }], unproved: [], passedOver: [], left: 0 }),
    copyPoint: async ({ id }) => ({ id, objects: 1, bytes: 400, problems: [] }),
    bringNotes: async () => ({ problems: [] }),
    sweepCopies: async () => ({ removed: 0 }),
    proveRestore: async ({ source, id, depth }) => ({ ok: true, source, id, depth, seconds: 1, assertions: 3, passed: 3, failures: [] }),
    planRetention: async ({ source }) => ({ source, keep: [{ id: POINT, reasons: ['newest'] }], delete: [], locked: [], held: [] }),
    deletePoints: async (report) => report,
    mayDelete: async () => ({}),
    holdPoint: async () => undefined,
    rotateKeys: async ({ source }) => ({ source, recipients: ['age1new'], points: 3, rotated: 2, ids: [POINT], former: {}, problems: [] }),
    checkKeys: async ({ source }) => ({ source, point: POINT, part: 'database', looked: 'whole' }),
    switchWal: async () => ({ segment: '000000010000000000000003' }),
    checkRestore: async ({ target, confirm }) => {
      if (target === 'live' && confirm !== FINGERPRINT)
        throw refused('CONFIRM_MISMATCH', `confirm is "${confirm ?? ''}", the live target is ${FINGERPRINT}`, `if so: ${CONFIRMED}`)
      return { fingerprint: target === 'live' ? FINGERPRINT : '' }
    },
    restoreAside: async ({ source, id, target, instance }) => ({ source, id, target, instance, database: 'shop', bytes: 1000 }),
    swapIn: async () => ({ database: 'shop', keptAs: 'shop_pre_restore' }),
    removeAside: async () => undefined,
    planMigration: async () => ({ checked: true }),
    runMigration: async () => ({ said: 'migrated' }),
    checkMigration: async () => ({ said: '' }),
    endMigration: async () => undefined,
    liveFingerprint: async () => ({ fingerprint: FINGERPRINT }),
    planRecovery: async () => ({ id: POINT, timeline: 1, walSwitched: true, warnings: [] }),
    recoverToPoint: async ({ source, target, instance }) => ({
      source,
      instance,
      target,
      base: POINT,
      stoppedAt: { time: '2026-01-15T12:00:00Z', paused: false },
      connection: 'host=/tmp',
      database: 'shop',
      tables: [],
      seconds: 1,
      walSwitched: true,
    }),
    hostsOf: async () => ({ hosts: [] }),
    findInstance: async () => ({ found: true }),
    discardInstance: async () => undefined,
    writeEvidence: async () => ({ writer: 'test', number: 1 }),
    ...own,
  }
}

/** What an activity throws that refuses for good, as the worker's interceptor makes it. */
export function refused(code: string, message: string, next = 'look'): ApplicationFailure {
  return ApplicationFailure.create({ type: code, nonRetryable: true, message, details: [{ object: 'shop', next }] })
}

export interface Gate {
  /** Resolves once an activity stands before it. */
  reached(): Promise<void>
  open(): void
  /** How many stand before it now, and how many ended because they were cancelled. */
  readonly waiting: number
  readonly cancelled: number
  /** The activity: waits until the gate is open, then answers. A cancel ends it unless it is deaf. */
  wait<I, T>(answer: (input: I) => Promise<T>, options?: { deaf?: boolean }): (input: I) => Promise<T>
}

export function createGate(): Gate {
  const opened = Promise.withResolvers<void>()
  let waiting = 0
  let cancelled = 0
  let seen = 0
  return {
    get waiting() {
      return waiting
    },
    get cancelled() {
      return cancelled
    },
    reached: async () => void (await until(() => seen > 0, { timeoutMs: 60_000, what: 'an activity before the gate' })),
    open: () => opened.resolve(),
    wait:
      (answer, { deaf = false } = {}) =>
      (input) =>
        withProgress(async ({ signal }) => {
          seen += 1
          waiting += 1
          try {
            const stopped = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
            await Promise.race(deaf ? [opened.promise] : [opened.promise, stopped])
          } catch (error) {
            cancelled += 1
            throw error
          } finally {
            waiting -= 1
          }
          return answer(input)
        }),
  }
}

export interface Failed {
  code: string
  message: string
  object?: string
  next?: string
}

/** What a run ended with, whole: code, message, object and next step. */
export async function endOf(result: Promise<unknown>): Promise<Failed> {
  const error: unknown = await result.then(
    () => {
      throw new Error('the run succeeded')
    },
    (caught: unknown) => caught,
  )
  let at: unknown = error instanceof WorkflowFailedError ? error.cause : error
  while ((at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) && at.cause) at = at.cause
  if (!(at instanceof ApplicationFailure)) return { code: (at as Error).name, message: (at as Error).message }
  const details = at.details?.[0] as { object?: string; next?: string } | undefined
  return { code: at.type ?? '', message: at.message, object: details?.object, next: details?.next }
}
