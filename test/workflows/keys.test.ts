/** Keys, from a backup by a worker that has none to a point that only the key in the safe opens: real steps, a real folder. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createBackupActivities } from '../../activities/backup.ts'
import { toFailure } from '../../activities/errors.ts'
import { createKeyActivities } from '../../activities/keys.ts'
import { createProofActivities } from '../../activities/proof.ts'
import type { Services } from '../../activities/services.ts'
import { rotationsPrefix } from '../../src/catalog/keys.ts'
import { lastKeyCheck } from '../../src/cli/key-check.ts'
import { createProgram } from '../../src/cli/program.ts'
import { parseConfig } from '../../src/config/load.ts'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { until } from '../../src/process/wait.ts'
import { openServices, type WiredServices } from '../../workers/services.ts'
import { type Identity, makeIdentity } from '../support/age.ts'
import { catalogOn, keysIn, SIGNING, stranger } from '../support/catalog.ts'
import { catchStreams } from '../unit/cli/support.ts'
import { endOf, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let keys: string
let dir: string
let old: Identity
let next: Identity
let safe: Identity
let newSafe: Identity
beforeAll(async () => {
  stage = await openStage()
  keys = await mkdtemp(join(tmpdir(), 'holdfast-keys-'))
  const named = (name: string) => makeIdentity(keys, name)
  ;[old, next, safe, newSafe] = [await named('old'), await named('next'), await named('safe'), await named('new-safe')]
  await writeFile(join(keys, 'signing.pem'), SIGNING.privateKeyPem)
})
afterAll(async () => {
  await stage?.close()
  await rm(keys, { recursive: true, force: true })
})

const opened: Omit<WiredServices, 'client'>[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-rotation-'))
  for (const folder of ['repository', 'settings', 'plans']) await mkdir(join(dir, folder))
  await writeFile(join(dir, 'settings', 'a.conf'), 'a = 1\n')
  await writeFile(join(dir, 'plans', 'b.md'), 'first this, then that\n')
})
afterEach(async () => {
  for (const services of opened.splice(0)) await services.close()
  await rm(dir, { recursive: true, force: true })
})

interface Keys {
  recipients: Identity[]
  breakGlass?: Identity
  identityFile?: string
}

function configOf({ recipients, breakGlass, identityFile }: Keys) {
  const named = {
    recipients: recipients.map(({ recipient }) => recipient),
    ...(breakGlass && { breakGlass: breakGlass.recipient }),
    ...(identityFile && { identityFile }),
  }
  const source = (root: string) => ({ driver: 'files', root: join(dir, root), repository: 'hot' })
  return {
    repositories: { hot: { type: 'folder', path: join(dir, 'repository') } },
    encryption: named,
    signing: { keyId: SIGNING.keyId, privateKeyFile: join(keys, 'signing.pem'), publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
    sources: { plans: source('plans'), settings: source('settings') },
  }
}

/** A worker that knows these keys and no other. */
function workerWith(known: Keys) {
  const services = openServices(parseConfig(JSON.stringify(configOf(known)), 'holdfast.yaml'))
  opened.push(services)
  const wired: Services = { ...services, client: stage.client }
  const real = { ...createBackupActivities(wired), ...createProofActivities(wired), ...createKeyActivities(wired) }
  return { services, activities: sourceFakes({ ...real, listSources: async () => ['plans', 'settings'] }) }
}
type Worker = ReturnType<typeof workerWith>

/** Whoever serves the queues at the moment: workers come and go faster than their processes would. */
let serving: Worker
function onStage(promise: string, act: () => Promise<void>): void {
  test(promise, () => {
    const names = Object.keys(workerWith({ recipients: [old] }).activities)
    const serve = (name: string) => async (input: unknown) => {
      try {
        return await serving.activities[name]?.(input)
      } catch (error) {
        throw toFailure(error)
      }
    }
    return stage.play(Object.fromEntries(names.map((name) => [name, serve(name)])), act)
  })
}

let count = 0
async function start(worker: Worker, type: string, input: object) {
  serving = worker
  return stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [input] })
}
const play = async (worker: Worker, type: string, input: object = {}) => (await start(worker, type, input)).result()
async function refusal(worker: Worker, type: string, input: object = {}) {
  const run = await start(worker, type, input)
  const end = await endOf(run.result())
  return { ...end, outcome: (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome) }
}

/** Takes a point of both sources by a worker without any identity. */
async function backUp(): Promise<string> {
  const blind = workerWith({ recipients: [old], breakGlass: safe })
  const taken = []
  for (const source of ['plans', 'settings']) taken.push(await play(blind, 'backup', { source }))
  expect(taken).toMatchObject([{ outcome: 'success', warnings: [] }, { outcome: 'success' }])
  return (taken[1] as { id: string }).id
}

/** Whether somebody with this identity and nothing else reads the whole point, as a proof does. */
async function reads(identity: Identity, source = 'settings'): Promise<boolean> {
  const alone = workerWith({ recipients: [old], identityFile: identity.file })
  const run = await start(alone, 'verifyRestore', { source, depth: 'read' })
  return run.result().then(
    () => true,
    async () => {
      expect(await endOf(run.result())).toMatchObject({ code: 'KEY_WRONG' })
      return false
    },
  )
}

onStage('a worker without any private key takes backups; what it stored opens with the key in the safe alone', async () => {
  const id = await backUp()
  const blind = workerWith({ recipients: [old], breakGlass: safe })
  expect(await refusal(blind, 'verifyRestore', { source: 'settings', depth: 'read' })).toMatchObject({ code: 'KEY_MISSING' })
  const catalog = await blind.services.catalog('hot')
  const { manifest } = await catalog.readManifest('settings', id)
  expect(manifest.encryption.recipients).toEqual([old.recipient, safe.recipient])
  expect(await catalog.readersOf(manifest)).toEqual([old.recipient, safe.recipient])
  expect(await reads(safe)).toBe(true)
  expect(await reads(next)).toBe(false)
})

onStage('a rotation makes every point readable for the new recipients, with or without break glass, and moves no data', async () => {
  const id = await backUp()
  const worker = workerWith({ recipients: [next], breakGlass: newSafe, identityFile: old.file })
  const store = await worker.services.store('hot')
  const data = async () => (await keysIn(store)).filter((key) => key.includes('/data/'))
  const before = await data()

  const wanted = [next.recipient, newSafe.recipient]
  const former = { [old.recipient]: 1, [safe.recipient]: 1 }
  const would = await play(worker, 'rotateKeys', { source: 'settings', dryRun: true })
  expect(would).toMatchObject({ outcome: 'success', sources: [{ source: 'settings', points: 1, rotated: 1, ids: [id], former }] })
  expect(await keysIn(store, rotationsPrefix('settings', id))).toEqual([])

  expect(await play(worker, 'rotateKeys')).toMatchObject({
    outcome: 'success',
    sources: [
      { source: 'plans', rotated: 1 },
      { source: 'settings', recipients: wanted, rotated: 1, former, problems: [] },
    ],
  })
  expect(await reads(next)).toBe(true)
  expect(await reads(newSafe)).toBe(true)
  expect(await reads(next, 'plans')).toBe(true)
  expect(await data()).toEqual(before)

  // Nothing is left to do, also for a run that is repeated; nor is anything wrapped twice.
  expect(await play(worker, 'rotateKeys', { source: 'settings' })).toMatchObject({ sources: [{ points: 1, rotated: 0, ids: [] }] })
  expect(await keysIn(store, rotationsPrefix('settings', id))).toHaveLength(1)
})

onStage('the next rotation needs only the key of the one before', async () => {
  await backUp()
  await play(workerWith({ recipients: [next], identityFile: old.file }), 'rotateKeys')
  expect(await reads(newSafe)).toBe(false)
  expect(await play(workerWith({ recipients: [newSafe], identityFile: next.file }), 'rotateKeys')).toMatchObject({
    sources: [{ rotated: 1 }, { rotated: 1 }],
  })
  expect(await reads(newSafe)).toBe(true)
})

onStage('a rotation by somebody who cannot read a point leaves it as it is and fails, naming it', async () => {
  const id = await backUp()
  expect(await refusal(workerWith({ recipients: [next], identityFile: next.file }), 'rotateKeys')).toMatchObject({
    code: 'KEY_WRONG',
    outcome: 'failed',
    message: expect.stringMatching(new RegExp(`plans: 1 points were not rotated.*settings: 1 points.*${id}.*does not open`)),
  })
  expect(await refusal(workerWith({ recipients: [next] }), 'rotateKeys', { source: 'settings' })).toMatchObject({
    code: 'KEY_MISSING',
    next: expect.stringContaining('identityFile'),
  })
  expect(await reads(next)).toBe(false)
})

onStage('a planted note is named, and keeps a rotation from believing that all is done', async () => {
  const id = await backUp()
  const worker = workerWith({ recipients: [next], identityFile: old.file })
  const at = '2026-01-02T03:04:05.678Z'
  const note = { format: 'holdfast/v1', type: 'keys', source: 'settings', id, at, workflowId: 'w', runId: 'r' } as const
  const planted = await catalogOn(await worker.services.store('hot'), stranger).addKeys({
    ...note,
    headers: [],
    recipients: [next.recipient],
  })
  expect(await refusal(worker, 'rotateKeys', { source: 'settings' })).toMatchObject({
    code: 'SIGNATURE_INVALID',
    message: expect.stringContaining(planted),
  })
})

onStage('the check opens the oldest point of every source, and fails the day that nobody can', async () => {
  const id = await backUp()
  const checked = await play(workerWith({ recipients: [next], identityFile: old.file }), 'checkKeys')
  expect(checked).toMatchObject({
    outcome: 'success',
    sources: [{ source: 'plans' }, { source: 'settings', point: id, looked: 'whole' }],
  })

  const lost = workerWith({ recipients: [next], identityFile: next.file })
  expect(await refusal(lost, 'checkKeys')).toMatchObject({
    code: 'KEY_WRONG',
    outcome: 'failed',
    message: expect.stringMatching(/does not open .*plans.*; .*settings/),
  })
  expect(await refusal(workerWith({ recipients: [old] }), 'checkKeys', { source: 'settings' })).toMatchObject({ code: 'KEY_MISSING' })

  await play(workerWith({ recipients: [next], identityFile: old.file }), 'rotateKeys')
  expect(await play(lost, 'checkKeys', { source: 'settings' })).toMatchObject({ sources: [{ point: id }] })
})

async function statusText(): Promise<string> {
  const file = join(dir, 'holdfast.yaml')
  await writeFile(file, JSON.stringify({ ...configOf({ recipients: [next] }), temporal: { address: stage.server.address } }))
  const streams = catchStreams()
  const unused = async () => {}
  await createProgram({ serve: unused, dev: unused, openServices }, streams).run(['--config', file, 'status'])
  return streams.stdout
}

onStage('a look that failed stays in sight until one at all sources ends well', async () => {
  await backUp()
  const seen = async (ended: string) => {
    const found = () => lastKeyCheck(stage.client)
    return until(async () => ((await found())?.workflowId === ended ? found() : undefined), { timeoutMs: 60_000, what: ended })
  }
  const look = async (identity: Identity, input: object = {}) => {
    const run = await start(workerWith({ recipients: [next], identityFile: identity.file }), 'checkKeys', input)
    await run.result().catch(() => {})
    return run.workflowId
  }
  const failed = await look(next)
  expect(await seen(failed)).toMatchObject({ ok: false })
  expect(await statusText()).toContain(`holdfast status --run ${failed} says why`)

  const one = await look(old, { source: 'settings' })
  const listed = async () => {
    for await (const { closeTime } of stage.client.workflow.list({ query: `WorkflowId = '${one}'` })) if (closeTime) return true
    return false
  }
  await until(listed, { timeoutMs: 60_000, what: one })
  expect(await lastKeyCheck(stage.client)).toMatchObject({ workflowId: failed })

  expect(await seen(await look(old))).toMatchObject({ ok: true })
  expect(await statusText()).not.toContain('KEYS')
})

onStage('no key and nothing of an identity file stands in a history', async () => {
  await backUp()
  const worker = workerWith({ recipients: [next], identityFile: old.file })
  const run = await start(worker, 'rotateKeys', {})
  await run.result()
  const history = JSON.stringify(await run.fetchHistory(), (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  )
  const secret = /AGE-SECRET-KEY-\w+/.exec(await readFile(old.file, 'utf8'))?.[0] ?? 'none'
  expect(history).toContain(next.recipient)
  expect(history).not.toContain(secret)
  expect(history).not.toContain('X25519')
})
