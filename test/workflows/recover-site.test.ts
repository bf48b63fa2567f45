/** A whole set brought back, with restores that play their part. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BESIDE, type SetMember } from '../../src/core/sets.ts'
import { endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const DIGEST = '0123456789abcdef'
const SET = '20260115_120000_everything'
const member = (source: string, more: Partial<SetMember> = {}): SetMember => ({
  source,
  repository: 'hot',
  required: true,
  after: [],
  barrier: {},
  id: POINT,
  ...more,
})

function siteFakes(members: SetMember[], restored: string[], own: Fakes = {}): Fakes {
  return sourceFakes({
    findSet: async () => ({ id: SET, members }),
    planSet: async () => ({ members: members.map(({ source, required, after }) => ({ name: source, required, after })), parallel: 1 }),
    fingerprintOf: async ({ source }) => `fp-${source}`,
    confirmationOf: async () => ({ digest: DIGEST }),
    checkRestore: async ({ source, confirm }) => {
      if (confirm !== `fp-${source}`) throw refused('CONFIRM_MISMATCH', `confirm is ${confirm}`)
      return { fingerprint: confirm }
    },
    swapIn: async ({ source }) => {
      restored.push(source)
      return { database: source }
    },
    ...own,
  })
}
let count = 0
const start = (input: object = { confirm: DIGEST }) =>
  stage.client.workflow.start('recoverSite', {
    taskQueue: 'holdfast',
    workflowId: `site-${++count}`,
    args: [{ set: 'everything', requestedBy: 'ana', ...input }],
  })
const failingFor = (name: string): Fakes => ({
  restoreAside: async (input) => {
    if (input.source === name) throw refused('SPACE_SHORT', `no room for ${name}`)
    return sourceFakes()['restoreAside']?.(input)
  },
})

test('members come back one after the other in their order, each over the very system that was confirmed, with no safety backup', async () => {
  const restored: string[] = []
  await stage.play(siteFakes([member('db'), member('graph', { after: ['db'] }), member('files')], restored), async () => {
    const result = await (await start()).result()
    expect(result).toMatchObject({
      outcome: 'success',
      recoverySet: SET,
      members: [{ source: 'db' }, { source: 'graph' }, { source: 'files' }],
    })
    expect(restored).toEqual(['db', 'graph', 'files'])
    expect(stage.ran).not.toContain('dump')
  })
})

test('a member whose points go over no live system is brought back beside, in its place in the order, and a person is told to go on', async () => {
  const restored: string[] = []
  const fingerprintOf = async ({ source }: { source: string }) => (source === 'db' ? BESIDE : `fp-${source}`)
  const asked: unknown[] = []
  const restoreAside = async (input: Record<string, unknown>) => {
    asked.push([input['source'], input['target'], restored.length])
    return sourceFakes()['restoreAside']?.(input)
  }
  const checkRestore = async ({ source, confirm }: { source: string; confirm?: string }) => ({
    fingerprint: confirm ?? `none of ${source}`,
  })
  const members = [member('db'), member('graph', { after: ['db'] })]
  await stage.play(siteFakes(members, restored, { fingerprintOf, restoreAside, checkRestore }), async () => {
    const result = await (await start()).result()
    expect(asked).toEqual([
      ['db', 'beside', 0],
      ['graph', 'live', 0],
    ])
    expect(restored).toEqual(['graph'])
    expect(result).toMatchObject({
      outcome: 'degraded',
      warnings: [expect.stringMatching(/^db: runs beside as restore-.*a person makes the new primary/)],
    })
  })
})

test('a member with an archive is brought to the end of it, the others to what their points have', async () => {
  const asked: unknown[] = []
  const own: Fakes = {
    planSet: async () => ({
      members: [
        { name: 'db', required: true, after: [], to: 'latest' },
        { name: 'graph', required: true, after: [] },
      ],
      parallel: 1,
    }),
    swapIn: async ({ source, choice }) => {
      asked.push([source, choice])
      return { database: source }
    },
  }
  await stage.play(siteFakes([member('db'), member('graph')], [], own), async () => {
    await (await start()).result()
    expect(asked).toEqual([
      ['db', { to: 'latest' }],
      ['graph', undefined],
    ])
  })
})

test('without the digest of all targets nothing is touched, and the refusal names each', async () => {
  const restored: string[] = []
  await stage.play(siteFakes([member('db'), member('graph')], restored), async () => {
    const end = await endOf((await start({})).result())
    expect(end).toMatchObject({ code: 'CONFIRM_MISMATCH', object: DIGEST })
    expect(end.message).toContain('db: fp-db; graph: fp-graph')
    expect(stage.ran).not.toContain('checkRestore')
  })
})

test('that a newer set may be in a repository that was not read is told before the confirmation, and after the recovery', async () => {
  const unread = ['the repository hot was not read, and may have a newer set: it hangs']
  const findSet = async () => ({ id: SET, members: [member('db')], unread })
  await stage.play(siteFakes([member('db')], [], { findSet }), async () => {
    expect((await endOf((await start({})).result())).message).toContain(unread[0])
    expect(await (await start()).result()).toMatchObject({ outcome: 'degraded', warnings: unread })
  })
})

test('a target that does not answer is found out before the first member is restored', async () => {
  const restored: string[] = []
  const fingerprintOf = async ({ source }: { source: string }) => {
    if (source === 'graph') throw refused('SOURCE_UNREACHABLE', 'no graph at its new address')
    return `fp-${source}`
  }
  await stage.play(siteFakes([member('db'), member('graph')], restored, { fingerprintOf }), async () => {
    expect((await endOf((await start()).result())).code).toBe('SOURCE_UNREACHABLE')
    expect(restored).toEqual([])
  })
})

test('an optional member that fails degrades the recovery; what comes after it is not begun, the rest is', async () => {
  const restored: string[] = []
  const members = [member('graph', { required: false }), member('views', { required: false, after: ['graph'] }), member('db')]
  await stage.play(siteFakes(members, restored, failingFor('graph')), async () => {
    expect(await (await start()).result()).toMatchObject({
      outcome: 'degraded',
      warnings: ['graph is not back: no room for graph', 'views is not back: it comes after graph'],
    })
    expect(restored).toEqual(['db'])
  })
})

test('a required member that fails fails the recovery, after the others were brought back', async () => {
  const restored: string[] = []
  await stage.play(siteFakes([member('db'), member('files')], restored, failingFor('db')), async () => {
    const end = await endOf((await start()).result())
    expect(end).toMatchObject({ code: 'SET_INCOMPLETE', object: SET })
    expect(end.message).toContain('restore it alone: docs/total-loss.md; take no new set yet')
    expect(restored).toEqual(['files'])
  })
})
