/** The commands of FORMAT.md, run as they stand there: Holdfast gone, the repository and the keys left. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProgram } from '../../../scripts/toolbox/find.ts'
import { createCluster } from '../../../scripts/toolbox/postgres.ts'
import { canonicalBytes } from '../../../src/catalog/canonical.ts'
import { dataPrefix, manifestKey, parseKey } from '../../../src/catalog/keys.ts'
import {
  manifestSchema,
  proofSchema,
  holdSchema,
  keyNoteSchema,
  evidenceSchema,
  artifactSchema,
  referenceSchema,
} from '../../../src/core/records.ts'
import { setMemberSchema, setRecordSchema } from '../../../src/core/sets.ts'
import { fileKeyOf, headerFor, readHeader } from '../../../src/pipeline/age-header.ts'
import { identitiesIn } from '../../../src/pipeline/age-keys.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { readAll } from '../../../src/storage/store.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { walRecordSchema } from '../../../src/wal/record.ts'
import { makeIdentity } from '../../support/age.ts'
import { createArchive, segmentBytes } from '../../support/archive.ts'
import { addPoint, signer, SIGNING } from '../../support/catalog.ts'

const FORMAT = join(import.meta.dirname, '../../../src/catalog/FORMAT.md')
const ID = '20251018_214530_manual'
const exec = promisify(execFile)

async function commandOf(name: string): Promise<string> {
  const found = new RegExp(`^\`\`\`sh ${name}\n(.*?)^\`\`\``, 'ms').exec(await readFile(FORMAT, 'utf8'))
  if (!found?.[1]) throw new Error(`FORMAT.md has no commands "${name}"`)
  return found[1]
}

describe('FORMAT.md', () => {
  let dir: string
  const shell = async (name: string, env: Record<string, string>) =>
    exec('bash', ['-eu', '-o', 'pipefail', '-c', await commandOf(name)], { cwd: dir, env: { ...process.env, ...env } })

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-format-'))
    await mkdir(join(dir, 'data'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it('shows how openssl verifies a published manifest, and sees a change', async () => {
    const store = createMemoryStore()
    const manifest = await addPoint(store, ID, { description: 'before "the" migration, with ümlauts\n', tags: ['a/b'] })
    await writeFile(join(dir, 'manifest.json'), await readAll(store, manifestKey('orders', ID)))
    expect((await shell('verify', { PUBLIC_KEY: SIGNING.publicKey })).stdout).toMatch('Signature Verified Successfully')
    await writeFile(join(dir, 'manifest.json'), canonicalBytes({ ...signer.sign(manifest), sizeBytes: 1 }))
    await expect(shell('verify', { PUBLIC_KEY: SIGNING.publicKey })).rejects.toMatchObject({ code: 1 })
  })

  it('shows how stock tools restore a dump, and a cut one fails', async () => {
    const keygen = await exec(findProgram('age-keygen'), ['-o', join(dir, 'identity.txt')])
    const recipient = /age1\w+/.exec(keygen.stderr)?.[0] ?? ''
    const cluster = await createCluster({ dbname: 'source' })
    try {
      await cluster.query('create table orders as select n, repeat(md5(n::text), 9) as note from generate_series(1, 5000) n', 'source')
      const dump = `pg_dump -Fc -Z0 -d "$SOURCE" | zstd -q | age -e -r ${recipient} > data/database.zst.age`
      await exec('bash', ['-eu', '-o', 'pipefail', '-c', dump], { cwd: dir, env: { ...process.env, SOURCE: cluster.connection('source') } })
      await cluster.query('create database restored')
      await shell('restore', { DATABASE: cluster.connection('restored') })
      expect(await cluster.query('select count(*)::int as count from orders', 'restored')).toEqual([{ count: 5000 }])

      const whole = await readFile(join(dir, 'data/database.zst.age'))
      await writeFile(join(dir, 'data/database.zst.age'), whole.subarray(0, whole.length - 100))
      await cluster.query('create database cut')
      await expect(shell('restore', { DATABASE: cluster.connection('cut') })).rejects.toMatchObject({ code: expect.any(Number) })
    } finally {
      await cluster.destroy()
    }
  })

  it('shows how stock tools restore a dump whose keys were rotated, for an identity that is new', async () => {
    const [old, next] = [await makeIdentity(dir, 'old.txt'), await makeIdentity(dir, 'identity.txt')]
    const store = createMemoryStore()
    const cluster = await createCluster({ dbname: 'source' })
    try {
      await cluster.query('create table orders as select n, repeat(md5(n::text), 9) as note from generate_series(1, 5000) n', 'source')
      const sink = createSink({ store, prefix: dataPrefix('orders', ID), attempt: 1, recipients: [old.recipient] })
      const dump = { program: 'pg_dump', args: ['-Fc', '-Z0', '-d', cluster.connection('source')] }
      const artifact = await sink.store({ part: 'database', role: 'database', required: true, stages: [dump] })
      const fileKey = fileKeyOf(await readHeader(store, artifact.key), await identitiesIn(old.file), artifact.key) ?? Buffer.alloc(0)
      const headers = [{ key: artifact.key, header: headerFor(fileKey, [next.recipient]).toString() }]
      await writeFile(join(dir, 'data/database.zst.age'), await readAll(store, artifact.key))
      await writeFile(join(dir, 'note.json'), canonicalBytes(signer.sign({ headers })))
      await cluster.query('create database rotated')
      await expect(shell('restore', { DATABASE: cluster.connection('rotated') })).rejects.toMatchObject({
        stderr: expect.stringContaining('no identity matched'),
      })
      await shell('keys', { KEYS: 'note.json', DATABASE: cluster.connection('rotated') })
      expect(await cluster.query('select count(*)::int as count from orders', 'rotated')).toEqual([{ count: 5000 }])
    } finally {
      await cluster.destroy()
    }
  })

  it('shows how stock tools open an archived file of a log, a cut one fails, and what is not there ends with 1', async () => {
    const archive = await createArchive()
    try {
      const store = await createFolderStore(archive.dir)
      const body = segmentBytes()
      const NAME = '000000010000000000000003'
      await pushWal(archive.on(store), await archive.file(NAME, body))
      const cwd = join(archive.dir, 'holdfast/wal/v1/shop')
      await copyFile(archive.identity.file, join(cwd, 'identity.txt'))
      const open = async (name: string) =>
        exec('bash', ['-eu', '-o', 'pipefail', '-c', await commandOf('wal')], { cwd, env: { ...process.env, NAME: name, TO: 'opened' } })
      await open(NAME)
      expect((await readFile(join(cwd, 'opened'))).equals(body)).toBe(true)
      await expect(open('000000010000000000000004')).rejects.toMatchObject({ code: 1 })

      const [object = ''] = (await readdir(join(cwd, '00000001', NAME))).filter((file) => file.endsWith('.age'))
      await truncate(join(cwd, '00000001', NAME, object), 1000)
      await expect(open(NAME)).rejects.toMatchObject({ code: 200 })
    } finally {
      await archive.destroy()
    }
  })

  it('names every field of every record, and every kind of key', async () => {
    const text = await readFile(FORMAT, 'utf8')
    for (const schema of [
      manifestSchema,
      proofSchema,
      holdSchema,
      keyNoteSchema,
      evidenceSchema,
      artifactSchema,
      referenceSchema,
      setRecordSchema,
      setMemberSchema,
      walRecordSchema,
    ]) {
      for (const field of Object.keys(schema.shape)) expect(text).toContain(`\`${field}`)
    }
    for (const kind of ['manifest', 'data', 'proof', 'hold', 'keys', 'reservation']) {
      const keys = [...text.matchAll(/^holdfast\/v1\/<source>\/<id>\/(\S+)/gm)].map(
        ([, rest = '']) => parseKey(`holdfast/v1/orders/${ID}/${rest.replace(/<[^>]+>/g, 'x')}`)?.kind,
      )
      expect(keys).toContain(kind)
    }
  })
})
