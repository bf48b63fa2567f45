import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LockView, lockQuery } from '../../src/contract/messages.ts'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { until } from '../../src/process/wait.ts'
import { CONFIRMED, createGate, endOf, FINGERPRINT, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const start = (type: string, input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [{ source: 'orders', ...input }] })
const restore = (input: object) => start('restore', { recoveryPoint: 'latest', requestedBy: 'ana', ...input })
const LIVE = { target: 'live', confirm: FINGERPRINT }
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)
const steps = () => stage.ran.filter((name) => !['acquireLock', 'isRunOpen', 'resolveSource'].includes(name))
const fail = async () => {
  throw refused('SPACE_SHORT', 'the disk is full')
}

test.each([
  ['without its confirm', { target: 'live' }],
  ['with another confirm', { target: 'live', confirm: 'shop@elsewhere' }],
])('a restore over a live database %s touches nothing', async (_, input) => {
  await stage.play(sourceFakes(), async () => {
    const run = await restore(input)
    const end = await endOf(run.result())
    expect(end.code).toBe('CONFIRM_MISMATCH')
    expect(end.message).toContain(FINGERPRINT)
    expect(steps()).toEqual(['resolvePoint', 'checkRestore', 'writeEvidence'])
    expect(await outcomeOf(run)).toBe('failed')
  })
})

test('what refuses for want of a confirmation ends with the command that is right, and with all that was chosen', async () => {
  await stage.play(sourceFakes(), async () => {
    const chosen = {
      parts: ['a.txt', 'of ana'],
      into: 'other/deep/',
      mode: 'replace',
      to: 'latest',
      toSequence: 12,
      repository: 'dr',
      safetyBackup: false,
    }
    const { next, message } = await endOf((await restore({ target: 'live', ...chosen })).result())
    const command = `${CONFIRMED} --part a.txt --part 'of ana' --into other/deep/ --mode replace --to latest --to-sequence 12 --repository dr --no-safety-backup`
    expect(next).toBe(`if so: ${command}`)
    expect(message).toBe(`confirm is "", the live target is ${FINGERPRINT}. Next: if so: ${command}`)
    expect(await endOf((await restore({ target: 'live' })).result())).toMatchObject({ next: `if so: ${CONFIRMED}`, object: 'shop' })
  })
})

test('over a live database: checked, read again, what is replaced backed up, restored aside, swapped', async () => {
  await stage.play(sourceFakes(), async () => {
    const run = await restore(LIVE)
    expect(await run.result()).toMatchObject({
      id: POINT,
      target: 'live',
      database: 'shop',
      keptAs: 'shop_pre_restore',
      safetyBackup: POINT,
    })
    const order = ['checkRestore', 'proveRestore', 'dump', 'publish', 'restoreAside', 'swapIn', 'writeEvidence']
    expect(steps().filter((step, at, all) => order.includes(step) && (step !== 'writeEvidence' || at === all.length - 1))).toEqual(order)
    expect(stage.ran).not.toContain('removeAside')
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('the safety backup says what it is for', async () => {
  const published: unknown[] = []
  await stage.play(sourceFakes({ publish: async (input) => published.push(input) }), async () => {
    await (await restore(LIVE)).result()
    expect(published).toMatchObject([{ kind: 'pre_restore', description: `before the restore of ${POINT} by ana` }])
  })
})

test('a safety backup that fails ends the restore before anything is restored', async () => {
  await stage.play(sourceFakes({ dump: fail }), async () => {
    expect((await endOf((await restore(LIVE)).result())).code).toBe('SPACE_SHORT')
    expect(stage.ran).not.toContain('restoreAside')
  })
})

test('where nothing is left to save, the restore goes on without a safety backup', async () => {
  await stage.play(sourceFakes({ dump: fail }), async () => {
    const result = await (await restore({ ...LIVE, safetyBackup: false })).result()
    expect(result).toMatchObject({ keptAs: 'shop_pre_restore' })
    expect(result).not.toHaveProperty('safetyBackup')
    expect(steps()).toEqual(['resolvePoint', 'checkRestore', 'proveRestore', 'restoreAside', 'swapIn', 'writeEvidence'])
  })
})

test('what was chosen of a point reaches every step of its restore; where nothing was, nothing does', async () => {
  const choices: unknown[] = []
  const watched = Object.fromEntries(
    ['checkRestore', 'restoreAside', 'swapIn'].map((name) => [
      name,
      async (input: { choice?: unknown }) => {
        choices.push(input.choice)
        return sourceFakes()[name]?.(input)
      },
    ]),
  )
  await stage.play(sourceFakes(watched), async () => {
    const choice = { parts: ['lens_rel'], into: 'copy', mode: 'upsert' }
    await (await restore({ ...LIVE, ...choice, safetyBackup: false })).result()
    await (await restore({ ...LIVE, safetyBackup: false })).result()
    expect(choices).toEqual([choice, choice, choice, undefined, undefined, undefined])
  })
})

const AROUND = { applications: [{ name: 'api' }, { name: 'jobs' }], projections: [{ name: 'graph' }] }
const surrounded = (did: string[], own: Parameters<typeof sourceFakes>[0] = {}) =>
  sourceFakes({
    checkRestore: async () => ({ fingerprint: FINGERPRINT, around: AROUND }),
    inspectApplication: async ({ application }) => ({ running: true, replicas: application === 'api' ? 5 : 1 }),
    stopApplication: async ({ application }) => void did.push(`stop ${application}`),
    startApplication: async ({ application, state }) => void did.push(`start ${application} ${state.replicas}`),
    rebuildProjection: async ({ projection }) => void did.push(`rebuild ${projection}`),
    dump: async (input) => {
      did.push('safety backup')
      return sourceFakes()['dump']?.(input)
    },
    swapIn: async (input) => {
      did.push('swap')
      return sourceFakes()['swapIn']?.(input)
    },
    ...own,
  })

test('applications are down while their source is replaced, and back as they were; then projections are built anew', async () => {
  const did: string[] = []
  await stage.play(surrounded(did), async () => {
    expect(await (await restore(LIVE)).result()).toMatchObject({ outcome: 'success' })
    const back = ['start jobs 1', 'start api 5', 'rebuild graph']
    expect(did).toEqual(['stop api', 'stop jobs', 'safety backup', 'swap', ...back])
  })
})

test.each(['stopApplication', 'restoreAside', 'swapIn'])('a %s that fails brings the applications back as they were', async (name) => {
  const did: string[] = []
  const failing = async (input: { application?: string }) => {
    if (input.application !== 'api') return fail()
  }
  await stage.play(surrounded(did, { [name]: failing }), async () => {
    expect((await endOf((await restore(LIVE)).result())).code).toBe('SPACE_SHORT')
    expect(did.filter((word) => word.startsWith('start'))).toEqual(['start jobs 1', 'start api 5'])
  })
})

test('what was restored stands where an application does not start or a projection fails: degraded, and told', async () => {
  const fakes = surrounded([], {
    startApplication: async () => {
      throw refused('CHECK_FAILED', 'the image is gone')
    },
    rebuildProjection: async () => {
      throw refused('CHECK_FAILED', 'event 7 cannot be replayed')
    },
  })
  await stage.play(fakes, async () => {
    expect(await (await restore(LIVE)).result()).toMatchObject({
      outcome: 'degraded',
      keptAs: 'shop_pre_restore',
      warnings: [
        'start jobs failed: the image is gone',
        'start api failed: the image is gone',
        'rebuild graph failed: event 7 cannot be replayed',
      ],
    })
  })
})

test('a point that cannot be read whole is not restored', async () => {
  const proveRestore = async () => ({ ok: false, failures: ['read database: expected aa, found bb'] })
  await stage.play(sourceFakes({ proveRestore }), async () => {
    const end = await endOf((await restore(LIVE)).result())
    expect(end).toMatchObject({ code: 'INTEGRITY', object: POINT })
    expect(end.message).toContain('expected aa, found bb')
    expect(steps()).toEqual(['resolvePoint', 'checkRestore', 'proveRestore', 'otherPlace', 'writeEvidence'])
  })
})

describe('a point that is damaged, and whose copy is in an archive,', () => {
  const proveRestore = async ({ repository }: { repository?: string }) => {
    if (repository === 'cold') throw refused('POINT_ARCHIVED', 'cold has it in GLACIER')
    return repository === 'far' ? { ok: true, failures: [] } : { ok: false, failures: ['read database: expected aa, found bb'] }
  }
  const nextOf =
    (...places: string[]) =>
    async ({ tried }: { tried: string[] }) => {
      const repository = places.find((name) => !tried.includes(name))
      return repository === undefined ? {} : { repository }
    }

  test('is taken from a third repository where it can be read', async () => {
    await stage.play(sourceFakes({ proveRestore, otherPlace: nextOf('cold', 'far') }), async () => {
      expect(await (await restore({})).result()).toMatchObject({ id: POINT, repository: 'far' })
    })
  })

  test('is restored from there by whoever names it, which the refusal says, where no other has it', async () => {
    await stage.play(sourceFakes({ proveRestore, otherPlace: nextOf('cold') }), async () => {
      expect(await endOf((await restore({})).result())).toMatchObject({
        code: 'POINT_ARCHIVED',
        object: POINT,
        message: expect.stringMatching(/expected aa, found bb; the copy of .* in cold is in an archive/),
        next: expect.stringContaining('--repository cold'),
      })
    })
  })
})

test.each([
  ['restoreAside', LIVE, 'removeAside'],
  ['swapIn', LIVE, 'removeAside'],
  ['restoreAside', {}, 'discardInstance'],
])('a %s that fails ends with what it made removed', async (name, input, undo) => {
  await stage.play(sourceFakes({ [name]: fail }), async () => {
    const run = await restore(input)
    expect(await endOf(run.result())).toMatchObject({ code: 'SPACE_SHORT', object: 'shop', next: 'look' })
    expect(steps().slice(-2)).toEqual([undo, 'writeEvidence'])
    expect(await outcomeOf(run)).toBe('failed')
  })
})

test('what a restore could not remove is named in its failure', async () => {
  const removeAside = async () => {
    throw refused('SOURCE_UNREACHABLE', 'no route to the server')
  }
  await stage.play(sourceFakes({ swapIn: fail, removeAside }), async () => {
    const end = await endOf((await restore(LIVE)).result())
    expect(end.message).toContain('the disk is full; and could not undo removeAside: no route to the server')
    expect(end).toMatchObject({ object: 'shop', next: 'look' })
  })
  const swapIn = async () => {
    throw refused('CONFIRM_MISMATCH', 'it is another one by now', `if so: ${CONFIRMED}`)
  }
  await stage.play(sourceFakes({ swapIn, removeAside }), async () => {
    const end = await endOf((await restore({ ...LIVE, to: 'latest' })).result())
    expect(end.message).toContain('it is another one by now; and could not undo removeAside: no route to the server')
    expect(end.next).toBe(`if so: ${CONFIRMED} --to latest`)
  })
})

test('a cancel in the middle removes what was restored aside before another restore of the source begins', async () => {
  const gate = createGate()
  const removing = createGate()
  const restoreAside = sourceFakes()['restoreAside'] as never
  const fakes = sourceFakes({
    restoreAside: gate.wait(restoreAside),
    discardInstance: removing.wait(async () => undefined, { deaf: true }),
  })
  await stage.play(fakes, async () => {
    const first = await restore({})
    await gate.reached()
    const second = await restore({})
    await first.cancel()
    await removing.reached()
    // The first is still removing, and still holds the source.
    const lock: LockView = await stage.client.workflow.getHandle('lock/points/orders').query(lockQuery)
    expect(lock).toMatchObject({ holder: { workflowId: first.workflowId }, waiting: ['restore of orders'] })
    expect(stage.ran.filter((name) => name === 'checkRestore')).toHaveLength(1)
    removing.open()
    expect((await endOf(first.result())).code).toBe('CancelledFailure')
    expect(await outcomeOf(first)).toBe('aborted')
    gate.open()
    expect(await second.result()).toMatchObject({ target: 'beside' })
  })
})

test('beside is where a restore goes when nothing else is said', async () => {
  await stage.play(sourceFakes(), async () => {
    const run = await restore({})
    expect(await run.result()).toMatchObject({ target: 'beside', instance: expect.stringMatching(/^restore-/) })
    expect(steps()).toEqual(['resolvePoint', 'checkRestore', 'proveRestore', 'restoreAside', 'writeEvidence'])
  })
})

test('a recovery to a moment that fails leaves no instance; one that ends well leaves it running', async () => {
  const target = { target: { time: '2026-01-15T12:00:00Z' } }
  const discarded: { instance: string }[] = []
  const instances: string[] = []
  const recoverToPoint = async ({ instance }: { instance: string }) => {
    instances.push(instance)
    throw refused('TARGET_NOT_REACHED', 'replay ended before the target')
  }
  await stage.play(sourceFakes({ recoverToPoint, discardInstance: async (input) => discarded.push(input) }), async () => {
    const run = await start('pointInTimeRecovery', target)
    expect((await endOf(run.result())).code).toBe('TARGET_NOT_REACHED')
    expect(discarded.map(({ instance }) => instance)).toEqual(instances)
    expect(await outcomeOf(run)).toBe('failed')
  })
  await stage.play(sourceFakes(), async () => {
    expect(await (await start('pointInTimeRecovery', target)).result()).toMatchObject({ stoppedAt: { time: '2026-01-15T12:00:00Z' } })
    expect(stage.ran).not.toContain('discardInstance')
  })
})

test('a recovery without a table that was asked for is done, and lacks something', async () => {
  const warnings = ['there was no table nope at that time']
  const recoverToPoint = async () => ({ stoppedAt: { time: '2026-01-15T12:00:00Z' }, tables: [], warnings })
  await stage.play(sourceFakes({ recoverToPoint }), async () => {
    const run = await start('pointInTimeRecovery', { target: { latest: true }, tables: ['nope'] })
    expect(await run.result()).toMatchObject({ outcome: 'degraded', warnings })
    expect(await outcomeOf(run)).toBe('degraded')
    expect(stage.ran).not.toContain('discardInstance')
  })
})

test('a proof that fails fails its run, with the assertions in the message and the proof in the evidence', async () => {
  const evidence: { outcome: string }[] = []
  const fakes = sourceFakes({
    proveRestore: async ({ source, id, depth }) => ({
      ok: false,
      source,
      id,
      depth,
      seconds: 1,
      assertions: 2,
      passed: 1,
      failures: ['digest of orders: expected aa, found bb'],
    }),
    writeEvidence: async (input) => evidence.push(input),
  })
  await stage.play(fakes, async () => {
    const run = await start('verifyRestore', {})
    const end = await endOf(run.result())
    expect(end).toMatchObject({ code: 'VERIFY_FAILED', object: POINT })
    expect(end.message).toContain('digest of orders: expected aa, found bb')
    expect(evidence).toMatchObject([{ outcome: 'failed', workflow: 'verifyRestore' }])
    await until(async () => (await outcomeOf(run)) === 'failed', { timeoutMs: 30_000, what: 'the outcome' })
  })
})
