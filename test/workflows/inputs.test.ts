import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WORKFLOWS, type WorkflowType } from '../../src/contract/inputs.ts'
import * as workflows from '../../workflows/index.ts'
import { endOf, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const TYPES = Object.keys(WORKFLOWS) as WorkflowType[]
const exampleOf = (type: WorkflowType): Record<string, unknown> => ({ ...WORKFLOWS[type].example })
let count = 0

/** How the run of this input ended; it may not have done anything before. */
async function refusalOf(type: WorkflowType, args: unknown[]) {
  const run = await stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args })
  return endOf(run.result())
}

async function expectInvalid(type: WorkflowType, args: unknown[], names: string) {
  const end = await refusalOf(type, args)
  expect(end, `${type} ${JSON.stringify(args)}`).toMatchObject({
    code: 'INPUT_INVALID',
    object: type,
    next: 'correct what the message names',
  })
  expect(end.message).toContain(`Input of ${type} is not valid`)
  expect(end.message).toContain(names)
  expect(end.message).toContain(`Valid: ${JSON.stringify(WORKFLOWS[type].example)}`)
}

test('every workflow that an operator starts has a schema and an example', () => {
  expect(Object.keys(workflows).sort()).toEqual([...TYPES, 'resourceLock', 'default'].sort())
})

test.each(TYPES)('%s accepts its own example', (type) => {
  expect(WORKFLOWS[type].schema.safeParse(WORKFLOWS[type].example).error).toBeUndefined()
})

test('a type that nobody wrote ends at once and names those that there are, instead of standing still', async () => {
  await stage.play(sourceFakes(), async () => {
    const run = await stage.client.workflow.start('bakup', { taskQueue: 'holdfast', workflowId: `bakup-${++count}`, args: [{}] })
    expect(await endOf(run.result())).toMatchObject({
      code: 'INPUT_INVALID',
      object: 'bakup',
      message: expect.stringContaining('there is no workflow type "bakup"'),
      next: expect.stringContaining([...TYPES].sort().join(', ')),
    })
  })
})

describe('a run ends at once, before any step, and names what is wrong', () => {
  test('with an unknown field', async () => {
    await stage.play(sourceFakes(), async () => {
      await Promise.all(TYPES.map((type) => expectInvalid(type, [{ ...exampleOf(type), sauce: 'orders' }], 'Unrecognized key: "sauce"')))
      expect(stage.ran).toEqual([])
    })
  })

  test('with a field that is missing', async () => {
    const without = TYPES.flatMap((type) =>
      Object.keys(exampleOf(type)).flatMap((field) => {
        const { [field]: _, ...rest } = exampleOf(type)
        return WORKFLOWS[type].schema.safeParse(rest).success ? [] : [{ type, field, rest }]
      }),
    )
    expect(without.length).toBeGreaterThan(TYPES.length)
    await stage.play(sourceFakes(), async () => {
      await Promise.all(without.map(({ type, field, rest }) => expectInvalid(type, [rest], `at ${field}`)))
      expect(stage.ran).toEqual([])
    })
  })

  test('with a value of another type', async () => {
    const wrong = TYPES.flatMap((type) =>
      Object.keys(exampleOf(type)).map((field) => ({ type, field, input: { ...exampleOf(type), [field]: [42] } })),
    )
    await stage.play(sourceFakes(), async () => {
      await Promise.all(wrong.map(({ type, field, input }) => expectInvalid(type, [input], `at ${field}`)))
      expect(stage.ran).toEqual([])
    })
  })

  test('with no input at all, where one is needed', async () => {
    const needy = TYPES.filter((type) => !WORKFLOWS[type].schema.safeParse({}).success)
    expect(TYPES.filter((type) => !needy.includes(type))).toEqual(['retention', 'rotateKeys', 'checkKeys'])
    await stage.play(sourceFakes(), async () => {
      await Promise.all(needy.map((type) => expectInvalid(type, [], `at ${Object.keys(exampleOf(type))[0]}`)))
      expect(stage.ran).toEqual([])
    })
  })

  test('with something that is no object', async () => {
    await stage.play(sourceFakes(), async () => {
      await expectInvalid('backup', ['orders'], 'expected object, received string')
      await expectInvalid('backup', [['orders']], 'expected object, received array')
      await expectInvalid('backup', [null], 'at source')
      expect(stage.ran).toEqual([])
    })
  })

  test.each([
    [
      'a time without its offset',
      'pointInTimeRecovery',
      { source: 'orders', target: { time: '2026-01-15T12:00:00' } },
      'a time needs its offset',
    ],
    ['two targets', 'pointInTimeRecovery', { source: 'orders', target: { lsn: '0/1', latest: true } }, 'give exactly one of'],
    ['a mode that there is not', 'failover', { group: 'shop', mode: 'quick', reason: 'x', requestedBy: 'ana' }, 'at mode'],
    ['a person without a name', 'restore', { source: 'orders', recoveryPoint: 'latest', requestedBy: '' }, 'at requestedBy'],
    ['a depth that there is not', 'verifyRestore', { source: 'orders', depth: 'deep' }, 'at depth'],
    [
      'a target that there is not',
      'restore',
      { source: 'orders', recoveryPoint: 'latest', requestedBy: 'ana', target: 'over' },
      'at target',
    ],
  ] as const)('with %s', async (_, type, input, names) => {
    await stage.play(sourceFakes(), () => expectInvalid(type, [input], names))
  })
})
