/** What a store of one's own may rely on: nothing half is stored, no secret is said, and a restore over it is tried beside it first. */
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askLedger, ledgerCommands, ledgerContents, TOKEN } from '../../scripts/sources/command.ts'
import type { Manifest } from '../../src/core/records.ts'
import { commandSource } from '../../src/drivers/command/config.ts'
import { createCommand } from '../../src/drivers/command/index.ts'
import { assertionsIn, countsIn } from '../../src/drivers/command/lines.ts'
import type { LiveRestore, SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { groupAlive } from '../../src/process/group.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { commandLines } from '../support/processes.ts'

let dir: string
let root: string
let repository: Repository
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-command-'))
  root = join(dir, 'ledger')
  await mkdir(root)
  await askLedger('init', root)
  repository = await openRepository()
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
  await rm(repository.dir, { recursive: true, force: true })
})

const sh = (script: string): string[] => ['sh', '-c', script]
const driverOf = (commands: Record<string, string[] | undefined> = {}, more: object = {}, token = TOKEN): SourceDriver =>
  createCommand(
    commandSource.parse({
      driver: 'command',
      repository: 'hot',
      commands: { ...ledgerCommands(root), ...commands },
      env: { LEDGER_WORD: 'token' },
      ...more,
    }),
    { source: 'ledger', secret: async () => token },
  )
const source = () => createSource({ store: repository.store, identityFile: repository.identity.file })
const take = (driver = driverOf()) => takePoint(driver, repository, nextRequest())
const scratch = () => join(dir, 'scratch')
const restore = (driver: SourceDriver, manifest: Manifest) => driver.restore(contextFor(), manifest, source(), { dir: scratch() })
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

async function stored(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of repository.store.list('')) keys.push(key)
  for await (const { key } of repository.store.pendingUploads('')) keys.push(key)
  return keys
}

describe('a capture', () => {
  it.each([
    ['fails at its end', 'echo much; echo it broke >&2; exit 3', 'exited with 3: it broke'],
    ['is killed', 'echo much; kill -9 $$', 'SIGKILL'],
    ['is not there', '/no/such/program', 'not found'],
  ])('that %s stores nothing', async (_, script, said) => {
    await expect(take(driverOf({ capture: sh(script) }))).rejects.toThrow(said)
    expect(await stored()).toEqual([])
  })

  it('that takes too long is stopped with all that it started, and stores nothing', async () => {
    const pid = join(dir, 'pid')
    const hanging = driverOf(
      { capture: sh(`echo $$ > ${pid}; sleep 1000 & sleep 1000`), check: undefined, counts: undefined },
      { timeout: '1s' },
    )
    await expect(take(hanging)).rejects.toMatchObject({ code: 'PROCESS_TIMEOUT' })
    expect(groupAlive(Number(await readFile(pid, 'utf8')))).toBe(false)
    expect(await stored()).toEqual([])
  })

  it('that prints nothing is degraded', async () => {
    const manifest = await take(driverOf({ capture: ['true'], counts: undefined }))
    expect(manifest.warnings).toEqual(['the capture printed nothing'])
  })

  it('is told what it is for', async () => {
    const manifest = await take(driverOf({ capture: sh('echo "$HOLDFAST_SOURCE $HOLDFAST_POINT $HOLDFAST_TARGET"') }))
    const [artifact] = manifest.artifacts
    const chunks: Buffer[] = []
    if (artifact) for await (const chunk of await source().read(artifact)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe(`ledger ${manifest.id} live\n`)
    expect(manifest.inventory?.['data']).toMatchObject({ bytes: artifact?.plainBytes, digest: artifact?.contentBlake3 })
  })
})

describe('a secret of the environment', () => {
  it('is in no argument and in no error, whatever the program says of it', async () => {
    const wrong = 'wrong-token-2718281828'
    const error = await driverOf({ check: undefined }, {}, wrong)
      .capture(contextFor(), nextRequest(), {
        storeStream: async ({ stream }: { stream: AsyncIterable<Buffer> }) => {
          for await (const _ of stream) void _
          throw new Error('it ended well')
        },
      } as never)
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('the token *** is not the one') })
    expect(JSON.stringify([error, (error as Error).message, (error as Error).cause])).not.toContain(wrong)
    const finding = await driverOf({}, {}, wrong).preflight(contextFor())
    expect(JSON.stringify(finding)).not.toContain(wrong)
  })

  it('is refused as an argument when the configuration is read', () => {
    const commands = { ...ledgerCommands(root), capture: ['dump', '--password=${env:PASSWORD}'] }
    const { success, error } = commandSource.safeParse({ driver: 'command', repository: 'hot', commands })
    expect(success).toBe(false)
    expect(error?.message).toContain('give it in env')
  })

  it('shows in no list of processes', async () => {
    const seen: string[] = []
    const driver = driverOf({ capture: sh('sleep 0.2; echo x'), counts: undefined })
    const taking = take(driver)
    seen.push(...(await commandLines()))
    await taking
    expect(seen.filter((line) => line.includes(TOKEN))).toEqual([])
  })
})

describe('a check', () => {
  it('that fails refuses the backup with its words, and one that says later may be tried again', async () => {
    const { findings } = await driverOf({ check: sh('echo disk is full >&2; exit 1') }).preflight(contextFor())
    expect(findings).toMatchObject([{ name: 'check', ok: false, required: true, detail: 'exits with 1: disk is full' }])
    await expect(driverOf({ check: sh('echo starting; exit 75') }).preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      retryable: true,
    })
  })

  it('a program that is not there is found before anything is begun', async () => {
    await expect(driverOf({ restore: ['/no/such/restore'] }).preflight(contextFor())).rejects.toMatchObject({ code: 'TOOL_MISSING' })
  })
})

describe('counts', () => {
  it('that move while it is captured are compared as a range, and said so', async () => {
    const counter = join(dir, 'counter')
    await writeFile(counter, '5')
    const counts = (value: string) =>
      driverOf({ counts: sh(value), capture: sh(`echo 9 > ${counter}; echo data`), restore: sh('cat >/dev/null'), verify: ['true'] })
    const manifest = await take(counts(`echo rows $(cat ${counter}); echo fixed 1`))
    expect(manifest.warnings).toEqual(['changed while it was captured, compared as a range: rows'])
    for (const [rows, ok] of [
      [4, false],
      [5, true],
      [7, true],
      [9, true],
      [10, false],
    ] as const) {
      const driver = counts(`echo rows ${rows}; echo fixed 1`)
      const { target } = await restore(driver, manifest)
      const found = await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
      expect([rows, found.find(({ name }) => name === 'count rows')]).toMatchObject([
        rows,
        { ok, expected: '5 to 9', actual: String(rows) },
      ])
    }
  })

  it('of other names than were recorded are red', async () => {
    const manifest = await take()
    const driver = driverOf({ counts: sh('echo entries 100; echo new 1') })
    const { target } = await restore(driver, manifest)
    const red = failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))
    expect(red.map(({ name }) => name)).toEqual(['count balance in cents', 'count new'])
  })

  it('are lines of a name and a value', () => {
    expect(countsIn('# head\nusers 12\n  open orders  3.5 \nalone\n\n')).toEqual({ users: '12', 'open orders': '3.5' })
  })
})

it('what verify prints becomes assertions, and a plan that is not kept is red', () => {
  expect(assertionsIn('1..4\nok 1 - a b\nnot ok 2 - c: it is: gone\nok\n# note\nokay\n')).toEqual([
    { name: 'a b', ok: true, expected: 'ok', actual: 'ok' },
    { name: 'c', ok: false, expected: 'ok', actual: 'not ok: it is: gone' },
    { name: 'assertion 3', ok: true, expected: 'ok', actual: 'ok' },
    { name: 'plan', ok: false, expected: '4 assertions', actual: '3' },
  ])
})

describe('a restore', () => {
  it('whose program fails leaves nothing, and says why', async () => {
    const manifest = await take()
    const driver = driverOf({ restore: sh('cat > "$HOLDFAST_DIR/half"; echo no room >&2; exit 1') })
    await expect(restore(driver, manifest)).rejects.toThrow('no room')
    expect(await exists(scratch())).toBe(false)
  })

  it('whose program reads only a part is no restore', async () => {
    const manifest = await take(driverOf({ capture: sh('head -c 4000000 /dev/urandom'), counts: undefined }))
    await expect(restore(driverOf({ restore: sh('head -c 10 >/dev/null') }), manifest)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  })

  it('stops what it left running in its folder, by another process than the one that started it', async () => {
    const manifest = await take()
    const server = 'cat >/dev/null; cd "$HOLDFAST_DIR"; setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > "$HOLDFAST_DIR/pid"'
    const { target } = await restore(driverOf({ restore: sh(server) }), manifest)
    const pid = Number(await readFile(join(target.dir, 'pid'), 'utf8'))
    expect(await exists(`/proc/${pid}`)).toBe(true)
    await driverOf().destroy({ dir: target.dir })
    expect((await commandLines()).filter((line) => line === 'sleep 1000 ').length).toBe(0)
    expect(await exists(target.dir)).toBe(false)
  })

  it('whose destroy fails keeps its folder, so that a second one finds what is to be removed', async () => {
    const manifest = await take()
    const { target } = await restore(driverOf(), manifest)
    await expect(driverOf({ destroy: ['false'] }).destroy(target)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    expect(await exists(target.dir)).toBe(true)
    await driverOf().destroy(target)
    expect(await exists(target.dir)).toBe(false)
  })

  it('removes no folder that is not its own', async () => {
    await mkdir(scratch())
    await writeFile(join(scratch(), 'precious'), 'x')
    await expect(driverOf().destroy({ dir: scratch() })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
    expect(await exists(join(scratch(), 'precious'))).toBe(true)
  })

  it.runIf(process.getuid?.() === 0)('runs as the user that is named, in a folder of theirs', async () => {
    await chmod(dir, 0o755)
    await chmod(root, 0o755)
    const manifest = await take()
    const driver = driverOf(
      { restore: sh('cat > "$HOLDFAST_DIR/data"'), verify: sh('test "$(id -un)" = nobody && echo ok user') },
      { osUser: 'nobody' },
    )
    const { target } = await restore(driver, manifest)
    expect((await stat(join(target.dir, 'data'))).uid).toBe((await stat(target.dir)).uid)
    const assertions = await driver.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] })
    expect(assertions.find(({ name }) => name === 'user')).toMatchObject({ ok: true })
    await driver.destroy(target)
  })
})

describe('a restore over the store', () => {
  const live = (driver = driverOf()) => driver.live as LiveRestore
  const filling = () => ({ context: contextFor(), source: source(), dir: scratch(), choice: {} })
  const place = () => ({ dir: scratch(), choice: {} })

  it('needs a fingerprint of the store, and its confirmation', async () => {
    expect(driverOf({ fingerprint: undefined }).live).toBeUndefined()
    const manifest = await take()
    const fingerprint = await live().fingerprint()
    expect(fingerprint).toMatch(/^ledger [0-9a-f-]{36}$/)
    await expect(live().check(manifest, '')).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH', details: { fingerprint } })
    await expect(live().swap(manifest, 'another', undefined, filling())).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
    await live().check(manifest, fingerprint)
    await expect(live(driverOf({ fingerprint: ['true'] })).fingerprint()).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
  })

  it('is tried beside it first, then brings back the moment of the capture, once and again', async () => {
    const manifest = await take()
    const before = await ledgerContents(root)
    await askLedger('add', root)
    const confirm = await live().fingerprint()
    await live().restoreAside(contextFor(), manifest, source(), place())
    expect(await exists(scratch())).toBe(false)
    expect(await ledgerContents(root)).not.toBe(before)
    for (let round = 1; round <= 2; round += 1) {
      await live().swap(manifest, confirm, undefined, filling())
      expect(await ledgerContents(root)).toBe(before)
    }
    await live().removeAside(manifest, place())
  })

  it('does not begin where the point is not sound beside it', async () => {
    const manifest = await take()
    const unsound = driverOf({ verify: sh('echo "not ok sums: 3 are off"') })
    await expect(live(unsound).restoreAside(contextFor(), manifest, source(), place())).rejects.toMatchObject({
      code: 'VERIFY_FAILED',
      message: expect.stringContaining('3 are off'),
    })
    expect(await exists(scratch())).toBe(false)
  })

  it('that is not sound afterwards fails', async () => {
    const manifest = await take()
    const unsound = driverOf({ verify: sh('test "$HOLDFAST_TARGET" = scratch') })
    const confirm = await live().fingerprint()
    await expect(live(unsound).swap(manifest, confirm, undefined, filling())).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
  })
})
