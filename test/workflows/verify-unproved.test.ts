/** One command proves every point of a source that is not proved yet: a real folder with points, and proofs that play their part. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { EXIT } from '../../src/core/errors.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { openServices } from '../../workers/services.ts'
import { addPoint, catalogOn, proofOf, SIGNING } from '../support/catalog.ts'
import { catchStreams } from '../unit/cli/support.ts'
import { refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

const PROVED = '20260101_030000_scheduled'
const READ = '20260102_030000_scheduled'
const NEW = '20260103_030000_scheduled'
const NEWEST = '20260104_030000_scheduled'
const FAILED = '20260105_030000_scheduled'

let stage: Stage
let dir: string
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.close())

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-unproved-'))
  await mkdir(join(dir, 'repository'))
  const store = await createFolderStore(join(dir, 'repository'))
  const catalog = catalogOn(store)
  for (const id of [PROVED, READ, NEW, NEWEST, FAILED]) await addPoint(store, id)
  const prove = async (id: string, more: object) => {
    const { manifest, digest } = await catalog.readManifest('orders', id)
    await catalog.appendProof(proofOf(manifest, digest, more))
  }
  await prove(PROVED, { depth: 'restore' })
  await prove(READ, { depth: 'read' })
  await prove(FAILED, { depth: 'full', ok: false })
  await writeFile(
    join(dir, 'holdfast.yaml'),
    `temporal: { address: "${stage.server.address}" }
repositories: { main: { type: folder, path: repository } }
encryption: { recipients: [age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq] }
signing: { keyId: ${SIGNING.keyId}, publicKeys: { ${SIGNING.keyId}: "${SIGNING.publicKey}" } }
sources: { orders: { driver: postgres-logical, connection: "host=127.0.0.1", repository: main } }
`,
  )
  return () => rm(dir, { recursive: true, force: true })
})

async function holdfast(...args: string[]) {
  const streams = catchStreams()
  const unused = async () => {}
  const program = createProgram({ serve: unused, dev: unused, openServices }, streams)
  const code = await program.run(['--config', join(dir, 'holdfast.yaml'), ...args])
  return { code, stdout: streams.stdout, stderr: streams.stderr }
}

type Outcome = 'passes' | 'fails' | 'no key'
/** Whatever is not named passes. */
function proofs(outcomes: Record<string, Outcome> = {}) {
  const asked: string[] = []
  const fakes = sourceFakes({
    resolvePoint: async ({ recoveryPoint }) => ({ id: recoveryPoint }),
    proveRestore: async ({ source, id, depth }) => {
      asked.push(`${id} ${depth}`)
      if (outcomes[id] === 'no key') throw refused('KEY_MISSING', 'no identity here')
      const ok = outcomes[id] !== 'fails'
      return { ok, source, id, depth, seconds: 1, assertions: 3, passed: ok ? 3 : 2, failures: ok ? [] : ['rows: expected 2, found 1'] }
    },
  })
  return { asked, fakes }
}

test('all points that no restore has proved are proved, the newest first, and no other', async () => {
  const { asked, fakes } = proofs()
  await stage.play(fakes, async () => {
    const { code, stdout } = await holdfast('verify', 'orders', '--unproved')
    expect(asked).toEqual([FAILED, NEWEST, NEW, READ].map((id) => `${id} full`))
    expect([code, stdout]).toEqual([EXIT.ok, expect.stringContaining('orders: 1 of 5 points were proved before, 4 are now, 0 failed')])
  })
})

test('where a look is enough, points that have had it are left out', async () => {
  const { asked, fakes } = proofs()
  await stage.play(fakes, async () => {
    expect((await holdfast('verify', 'orders', '--unproved', '--depth', 'read')).code).toBe(EXIT.ok)
    expect(asked).toEqual([FAILED, NEWEST, NEW].map((id) => `${id} read`))
  })
})

test('one that fails keeps none from its turn; the exit code is that of a failed proof, whatever else went wrong', async () => {
  const { asked, fakes } = proofs({ [FAILED]: 'no key', [NEWEST]: 'fails', [NEW]: 'no key' })
  await stage.play(fakes, async () => {
    const { code, stdout } = await holdfast('--json', 'verify', 'orders', '--unproved')
    expect(asked).toHaveLength(4)
    expect(code).toBe(EXIT.integrity)
    expect(JSON.parse(stdout)).toMatchObject({
      proved: [{ id: READ }],
      failed: [
        { id: FAILED, code: 'KEY_MISSING' },
        { id: NEWEST, code: 'VERIFY_FAILED', message: expect.stringContaining('expected 2, found 1') },
        { id: NEW, code: 'KEY_MISSING' },
      ],
    })
  })
})

test('a point, a scratch instance to keep, not to wait and a depth that nobody knows make no sense with it', async () => {
  for (const word of [[NEW], ['--keep'], ['--detach'], ['--depth', 'deep']])
    expect((await holdfast('verify', 'orders', '--unproved', ...word)).code).toBe(EXIT.usage)
  expect((await holdfast('verify', 'nobody', '--unproved')).code).toBe(EXIT.notFound)
})
