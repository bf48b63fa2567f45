import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/catalog/canonical.ts'
import { generateSigningKey } from '../../../src/catalog/signing.ts'
import { commandsFor } from '../../../src/cli/offline-logical.ts'
import { parseRepository } from '../../../src/cli/offline.ts'
import type { Artifact } from '../../../src/core/records.ts'
import { run } from '../../../src/process/run.ts'
import { crc32Of } from '../../../src/storage/crc.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'
import { addPoint, catalogOn, manifestOf, proofOf, SIGNING, stranger } from '../../support/catalog.ts'
import { holdfast } from './support.ts'

const OLD = '20260101_000000_manual'
const NEW = '20260102_000000_manual'
let dir: string
let repository: string
let mine: Identity
let count = 0

/** Compressed and encrypted as the pipeline does it. */
async function put(id: string, part: string, role: string, plain: string): Promise<Artifact> {
  const file = join(dir, 'sealed')
  await run({ program: 'bash', args: ['-o', 'pipefail', '-c', `zstd -q -c | age -r ${mine.recipient} > ${file}`], stdin: plain })
  const body = await readFile(file)
  const key = `holdfast/v1/orders/${id}/data/${part}.zst.age`
  await (await createFolderStore(repository)).put(key, body, { ifAbsent: true })
  const storeChecksum = { algorithm: 'crc32' as const, value: crc32Of(body) }
  return {
    key,
    part,
    role,
    required: true,
    storedBytes: body.length,
    blake3: digestOf(body),
    storeChecksum,
    compression: 'zstd',
    encryption: 'age',
  }
}

async function publish(id: string, plain: string, source = 'orders'): Promise<void> {
  const artifacts = [await put(id, 'globals', 'globals', '-- roles'), await put(id, 'directory/toc.dat', 'directory-entry', plain)]
  const consistency = { time: '2026-01-01T00:00:00Z', database: { name: 'orders' }, selection: {} }
  await catalogOn(await createFolderStore(repository)).publishManifest(manifestOf(source, id, artifacts, { consistency }))
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-offline-'))
  repository = join(dir, 'repository')
  await mkdir(repository)
  mine = await makeIdentity(dir)
  await publish(OLD, 'the old rows')
  await publish(NEW, 'the new rows')
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const fresh = () => join(dir, `restored-${count++}`)
const offline = (into: string, ...more: string[]) =>
  holdfast('--json', 'restore', '--offline', '--repository', `folder:${repository}`, '--identity', mine.file, '--into', into, ...more)
const signed = `${SIGNING.keyId}=${SIGNING.publicKey}`
const errorOf = ({ stderr }: { stderr: string }) => JSON.parse(stderr).error

describe('restore --offline', () => {
  it('gives the newest point as plain files in a private folder, with the commands that load them', async () => {
    const into = fresh()
    const { code, stdout } = await offline(into, '--public-key', signed, 'orders')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      id: NEW,
      files: [join(into, 'globals'), join(into, 'directory', 'toc.dat')],
      warnings: [],
      next: [
        expect.stringContaining('PGHOST'),
        `psql -X -d postgres -f ${into}/globals`,
        `pg_restore --exit-on-error --create --dbname=postgres ${into}/directory`,
      ],
    })
    expect(await readFile(join(into, 'directory', 'toc.dat'), 'utf8')).toBe('the new rows')
    expect((await stat(into)).mode & 0o777).toBe(0o700)
  })

  it('gives the point that was named', async () => {
    const into = fresh()
    expect((await offline(into, '--public-key', signed, 'orders', OLD)).code).toBe(0)
    expect(await readFile(join(into, 'directory', 'toc.dat'), 'utf8')).toBe('the old rows')
  })

  it('believes nothing that the given keys did not sign', async () => {
    const failed = await offline(fresh(), '--public-key', `other=${generateSigningKey().publicKey}`, 'orders')
    expect([failed.code, errorOf(failed).code, errorOf(failed).next]).toEqual([
      7,
      'SIGNATURE_INVALID',
      expect.stringContaining('--public-key'),
    ])
  })

  it('leaves no folder behind where the identity does not open it', async () => {
    const into = fresh()
    const other = await makeIdentity(dir, 'other.txt')
    const failed = await offline(into, '--public-key', signed, '--identity', other.file, 'orders')
    expect([failed.code, errorOf(failed).code]).toEqual([4, 'KEY_WRONG'])
    expect(await readdir(dir)).not.toContain(into.split('/').at(-1))
  })

  it('leaves no folder behind where an artifact was altered, and says which', async () => {
    const broken = '20260103_000000_manual'
    await publish(broken, 'the broken rows')
    const key = `holdfast/v1/orders/${broken}/data/directory/toc.dat.zst.age`
    const bytes = await readFile(join(repository, key))
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1
    await writeFile(join(repository, key), bytes)
    const into = fresh()
    const failed = await offline(into, '--public-key', signed, 'orders', broken)
    expect([failed.code, errorOf(failed).code, errorOf(failed).object]).toEqual([7, 'INTEGRITY', key])
    expect(await readdir(dir)).not.toContain(into.split('/').at(-1))
  })

  it('names the newest points where the one that was named is not there: nobody has a configuration to list them with', async () => {
    const failed = await offline(fresh(), '--public-key', signed, 'orders', '20250101_000000_manual')
    expect(errorOf(failed)).toMatchObject({ code: 'NOT_FOUND', object: '20250101_000000_manual' })
    expect(errorOf(failed).next).toMatch(new RegExp(`${NEW}, ${OLD}$`))
  })

  it('asks for the id of a public key that came without, and repeats no key', async () => {
    const failed = await offline(fresh(), '--public-key', SIGNING.publicKey, 'orders')
    expect(errorOf(failed)).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('id=base64') })
    expect(failed.stderr).not.toContain(SIGNING.publicKey.slice(0, 10))
  })

  it('says of a public key that was cut where a whole one stands, not how to make another', async () => {
    const failed = await offline(fresh(), '--public-key', `mine=${SIGNING.publicKey.slice(0, 20)}`, 'orders')
    expect(errorOf(failed)).toMatchObject({ object: 'mine', next: expect.stringContaining('signing.publicKeys') })
    expect(errorOf(failed).next).not.toContain('init')
  })

  it('never writes into a folder that is there', async () => {
    const failed = await offline(dir, '--public-key', signed, 'orders')
    expect([failed.code, errorOf(failed).code, errorOf(failed).object]).toEqual([2, 'INPUT_INVALID', dir])
  })

  it.each([
    [['--public-key', signed, 'nobody'], 6, 'NOT_FOUND'],
    [['--public-key', signed, 'orders', '20250101_000000_manual'], 6, 'NOT_FOUND'],
    [['--public-key', 'no-pair', 'orders'], 2, 'INPUT_INVALID'],
    [['--public-key', signed, '--identity', '/nowhere/identity', 'orders'], 4, 'KEY_MISSING'],
    [['--public-key', signed, '--repository', 'ftp://x', 'orders'], 2, 'INPUT_INVALID'],
    [['--public-key', signed, '--repository', 'folder:/nowhere/at/all', 'orders'], 6, 'NOT_FOUND'],
  ])('%j ends with %d and %s', async (args, code, name) => {
    const failed = await offline(fresh(), ...args)
    expect([failed.code, errorOf(failed).code]).toEqual([code, name])
    expect(errorOf(failed).next).not.toBe('')
  })
})

describe('a planted point', () => {
  it('is told by list and status with exit code 3, and is no point', async () => {
    const other = join(dir, 'planted')
    await mkdir(other)
    const store = await createFolderStore(other)
    const catalog = catalogOn(store)
    // Good and proved: nothing else asks for attention.
    const manifest = await addPoint(store, OLD, { source: 'orders' })
    await catalog.appendProof(proofOf(manifest, (await catalog.readManifest('orders', OLD)).digest))
    await addPoint(store, NEW, { source: 'orders' }, catalogOn(store, stranger))
    const { openServices } = await import('../../../workers/services.ts')
    const { createProgram } = await import('../../../src/cli/program.ts')
    const { catchStreams } = await import('./support.ts')
    const config = join(dir, 'planted.yaml')
    await writeFile(
      config,
      JSON.stringify({
        repositories: { hot: { type: 'folder', path: other } },
        encryption: { recipients: [mine.recipient] },
        signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
        sources: { orders: { driver: 'postgres-logical', connection: 'host=/nowhere', repository: 'hot' } },
      }),
    )
    for (const verb of [['list'], ['status', '--repo-only']]) {
      const streams = catchStreams()
      const code = await createProgram({ serve: async () => {}, dev: async () => {}, openServices }, streams).run([
        ...verb,
        '--json',
        '--config',
        config,
      ])
      const { problems, points, sources } = JSON.parse(streams.stdout)
      expect(code).toBe(3)
      expect(problems).toMatchObject([{ code: 'SIGNATURE_INVALID', key: expect.stringContaining(NEW) }])
      expect(points?.map(({ id }: { id: string }) => id) ?? [sources[0].newest]).toEqual([OLD])
    }
  })
})

describe('the commands that load the files', () => {
  const named = (...roles: string[]) => roles.map((role) => ({ role, part: role })) as unknown as Artifact[]
  const consistency = { time: '2026-01-01T00:00:00Z', database: { name: "it's" } }

  it('make the database first where the archive cannot, and quote what the shell would read', () => {
    expect(
      commandsFor({ artifacts: named('database'), consistency: { ...consistency, selection: { tables: ['a'] } } }, '/new place'),
    ).toEqual([`createdb 'it'\\''s'`, `pg_restore --exit-on-error --dbname='it'\\''s' '/new place/database'`])
  })

  it('load definitions, rows and constraints in that order', () => {
    const commands = commandsFor({ artifacts: named('schema', 'data'), consistency: { ...consistency, database: { name: 'x' } } }, '/r')
    expect(commands.slice(1).map((line) => /--section=(\S+) .*\/(\w+)$/.exec(line)?.slice(1))).toEqual([
      ['pre-data', 'schema'],
      ['data', 'data'],
      ['post-data', 'schema'],
    ])
  })

  it('run a plain dump as a script', () => {
    expect(commandsFor({ artifacts: named('plain'), consistency: { ...consistency, database: { name: 'x' } } }, '/r')[1]).toBe(
      'psql -X -v ON_ERROR_STOP=1 -d x -f /r/plain',
    )
  })
})

describe('--repository', () => {
  it('is a folder, or a bucket with what the environment says of its server', () => {
    expect(parseRepository('ssh://vault/srv/b')).toEqual({ type: 'ssh', host: 'vault', path: '/srv/b' })
    expect(parseRepository('ssh://me@vault:2222/srv/b')).toEqual({ type: 'ssh', user: 'me', host: 'vault', port: 2222, path: '/srv/b' })
    expect(parseRepository('folder:/srv/b')).toEqual({ type: 'folder', path: '/srv/b' })
    expect(parseRepository('s3://bucket/some/prefix')).toMatchObject({ type: 's3', bucket: 'bucket', prefix: 'some/prefix' })
  })
})

// Last: a proof stays.
it('newer points whose proofs failed are passed over, which ends with 3', async () => {
  const catalog = catalogOn(await createFolderStore(repository))
  const newer = (await catalog.listPoints('orders')).map(({ id }) => id).filter((id) => id !== OLD)
  for (const id of newer) {
    const { manifest, digest } = await catalog.readManifest('orders', id)
    await catalog.appendProof(proofOf(manifest, digest, { ok: false }))
  }
  const { code, stdout } = await offline(fresh(), '--public-key', signed, 'orders')
  const warnings = newer.map((id) => expect.stringMatching(`${id} .*passed over`))
  expect([code, JSON.parse(stdout)]).toMatchObject([3, { id: OLD, warnings: expect.arrayContaining(warnings) }])
})
