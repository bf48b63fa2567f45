/** What verify --unproved passes over and where it stops; test/workflows/verify-unproved.test.ts has the proofs themselves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Problem } from '../../../src/catalog/generations.ts'
import type { CommandContext } from '../../../src/cli/context.ts'
import { createOutput } from '../../../src/cli/output.ts'
import { verifyUnproved } from '../../../src/cli/verify-unproved.ts'
import { EXIT, HoldfastError } from '../../../src/core/errors.ts'
import { point } from '../../support/retention.ts'
import { catchStreams } from './support.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-unproved-'))
  await writeFile(
    join(dir, 'holdfast.yaml'),
    `repositories: { hot: { type: folder, path: repository } }
encryption: { recipients: [age1abc] }
signing: { keyId: k, publicKeys: { k: QQ== } }
sources: { orders: { driver: files, root: /etc, repository: hot } }
`,
  )
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const cold = point(40, { storageClasses: ['GLACIER'] })
const onCold = point(20, { parents: [cold.id] })
const warm = point(1)

async function run({ problems = [] as Problem[], thaw = false, fails = [] as string[] } = {}) {
  const streams = catchStreams()
  const asked: string[] = []
  const catalog = async () => ({ survey: async () => ({ points: [cold, onCold, warm], problems }) })
  const context = {
    options: { config: join(dir, 'holdfast.yaml'), json: false },
    output: createOutput(false, streams),
    wiring: { openServices: () => ({ catalog, close: async () => {} }) },
  } as unknown as CommandContext
  const ended = verifyUnproved(context, { source: 'orders', depth: 'full', thaw }, async (id) => {
    asked.push(id)
    if (fails.includes(id)) throw new HoldfastError('TEMPORAL_UNREACHABLE', 'nobody answers')
    return { id, depth: 'full', passed: 1, assertions: 1 }
  })
  return { asked, exit: await ended.catch((error: HoldfastError) => error.code), stdout: streams.stdout }
}

it('points in an archive class, and what rests on one, are passed over and named, unless they are asked for', async () => {
  const { asked, exit, stdout } = await run()
  expect([asked, exit]).toEqual([[warm.id], EXIT.degraded])
  for (const { id } of [cold, onCold]) expect(stdout).toContain(`passed over ${id}: it is in an archive class`)
  expect(await run({ thaw: true })).toMatchObject({ asked: [warm.id, onCold.id, cold.id], exit: EXIT.ok })
})

it('a record that cannot be trusted is told, and asks for attention', async () => {
  const problem = { key: 'holdfast/v1/orders/x/manifest.json', code: 'SIGNATURE_INVALID', message: 'planted' }
  expect(await run({ thaw: true, problems: [problem] })).toMatchObject({
    exit: EXIT.degraded,
    stdout: expect.stringContaining('NOT TRUSTED holdfast/v1/orders/x/manifest.json: SIGNATURE_INVALID: planted'),
  })
})

it('where Temporal is away nothing more is asked of it', async () => {
  expect(await run({ thaw: true, fails: [warm.id] })).toMatchObject({ asked: [warm.id], exit: 'TEMPORAL_UNREACHABLE' })
})
