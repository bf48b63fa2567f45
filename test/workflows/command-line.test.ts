/** What the command line says of a run that it only watches, or is asked to stop. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/core/errors.ts'
import { holdfast as program } from '../unit/cli/support.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { createGate, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let dir: string
let configFile: string

beforeAll(async () => {
  stage = await openStage()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-cli-'))
  configFile = join(dir, 'holdfast.yaml')
  await writeFile(
    configFile,
    `temporal: { address: "${stage.server.address}" }
repositories: { main: { type: folder, path: ${dir} } }
encryption: { recipients: [age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq] }
signing: { keyId: ops, publicKeys: { ops: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= } }
sources: { orders: { driver: postgres-logical, connection: "host=127.0.0.1", repository: main } }
`,
  )
})
afterAll(async () => {
  await stage?.close()
  await rm(dir, { recursive: true, force: true })
})

const holdfast = (...args: string[]) => program('--config', configFile, ...args)
const start = (type: string, workflowId: string, input: object) =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId, args: [input] })

test('following a backup that ends well names its point; one with something lacking ends with 3 and says what', async () => {
  await stage.play(sourceFakes(), async () => {
    await start('backup', 'well', { source: 'orders' })
    expect(await holdfast('follow', 'well')).toMatchObject({ code: EXIT.ok, stdout: `well has ended well\nrecovery point ${POINT}\n` })
  })
  const planRetention = async () => {
    throw new Error('the rules contradict each other')
  }
  await stage.play(sourceFakes({ planRetention }), async () => {
    await start('backup', 'lacking', { source: 'orders' })
    const { code, stdout } = await holdfast('follow', 'lacking')
    expect(code).toBe(EXIT.degraded)
    expect(stdout).toMatch(/^lacking has ended, with something lacking\nrecovery point .*\nwarning: retention: .*contradict/)
  })
})

test('a run under way is asked to stop; one that has ended is not, and a failover is for abort', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ dump: gate.wait(async () => ({})) }), async () => {
    const run = await start('backup', 'under-way', { source: 'orders' })
    await gate.reached()
    expect(await holdfast('cancel', 'under-way')).toMatchObject({
      code: EXIT.ok,
      stdout: expect.stringContaining('asked under-way to stop'),
    })
    await run.result().catch(() => {})
    expect(await holdfast('cancel', 'under-way')).toMatchObject({
      code: EXIT.notFound,
      stderr: expect.stringMatching(/under-way has ended/),
    })
  })
  await stage.play(pairFakes({ approvals: { count: 1, withinMs: 60_000 } }), async () => {
    const run = await start('failover', 'failover/shop', { group: 'shop', mode: 'planned', reason: 'drill', requestedBy: 'ana' })
    const refused = await holdfast('cancel', 'failover/shop')
    expect(refused).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining('holdfast abort failover/shop') })
    await run.terminate()
  })
})

test('retention of a source whose failed proof stands deletes nothing, and ends with 3', async () => {
  const planRetention = async ({ source }: { source: string }) => ({ source, keep: [], delete: [], locked: [], held: [], failed: [POINT] })
  await stage.play(sourceFakes({ planRetention, listSources: async () => ['orders'] }), async () => {
    await holdfast('apply')
    const { code, stdout } = await holdfast('prune')
    expect(code).toBe(EXIT.degraded)
    expect(stdout).toContain(`FAILED ${POINT}`)
    await start('retention', 'watched', {})
    expect(await holdfast('follow', 'watched')).toMatchObject({ code: EXIT.degraded, stdout: expect.stringContaining('something lacking') })
  })
})

test('a restore says what it passed over', async () => {
  const resolvePoint = async ({ sound }: { sound?: boolean }) => ({ id: POINT, warnings: sound ? ['a newer one was passed over'] : [] })
  await stage.play(sourceFakes({ resolvePoint }), async () => {
    const { code, stdout } = await holdfast('restore', 'orders')
    expect([code, stdout]).toEqual([EXIT.degraded, expect.stringContaining('warning: a newer one was passed over')])
  })
})

test('keys: a rotation says how many points, for whom, and what former keys still open; a check what it opened, or which does not', async () => {
  const rotateKeys = async ({ source, dryRun }: { source: string; dryRun: boolean }) => ({
    source,
    recipients: ['age1new', 'age1safe'],
    points: 3,
    rotated: dryRun ? 2 : 1,
    ids: [POINT],
    former: { age1old: 3 },
    problems: [],
  })
  await stage.play(sourceFakes({ rotateKeys }), async () => {
    expect(await holdfast('rotate-keys', 'orders', '--dry-run')).toMatchObject({
      code: EXIT.ok,
      stdout: `orders: 2 of 3 points would be made readable for age1new, age1safe
  age1old is no recipient any more and still opens 3 of them, until they are deleted
`,
    })
    const { stdout } = await holdfast('rotate-keys')
    expect(stdout).toMatch(/^orders: 1 of 3 points made readable.*\n.*age1old.*\nusers: 1 of 3/)
    expect(await holdfast('check-keys', 'orders')).toMatchObject({
      code: EXIT.ok,
      stdout: `orders: ${POINT} opens (database, read whole)\n`,
    })
  })
  const checkKeys = async ({ source }: { source: string }) => {
    if (source === 'orders') throw refused('KEY_WRONG', 'the age identity does not open its oldest point')
    return source === 'users'
      ? { source }
      : { source, archived: 2, copies: [{ repository: 'dr', point: POINT, part: 'a', looked: 'whole' }] }
  }
  await stage.play(sourceFakes({ checkKeys }), async () => {
    expect(await holdfast('check-keys')).toMatchObject({ code: EXIT.refused, stderr: expect.stringMatching(/^KEY_WRONG: .*oldest point/m) })
    expect(await holdfast('check-keys', 'users')).toMatchObject({ code: EXIT.ok, stdout: 'users: no point has anything encrypted\n' })
    expect((await holdfast('check-keys', 'plans')).stdout).toBe(
      `plans: no point that can be read has anything encrypted; 2 points in an archive class were not looked at
plans in dr: ${POINT} opens (a, read whole)
`,
    )
  })
})
