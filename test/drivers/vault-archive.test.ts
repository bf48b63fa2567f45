/** A snapshot by itself: what its checksums show, and what the README says of the configuration and of doing it by hand. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { sourceSchema } from '../../src/config/schema.ts'
import { factsOfFile } from '../../src/drivers/vault/archive.ts'
import { run } from '../../src/process/run.ts'
import { pack, sumsOf } from '../support/stand-ins/vault/archive.ts'

const README = await readFile('src/drivers/vault/README.md', 'utf8')
const META = Buffer.from(JSON.stringify({ Index: 7, Term: 2, Configuration: { Servers: [{ Address: 'a:8201' }] } }))
const STATE = Buffer.alloc(300_000, 'state')
const SUMS = Buffer.from(sumsOf({ 'meta.json': META, 'state.bin': STATE }))

describe('a raft snapshot', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-vault-archive-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))
  const written = async (bytes: Buffer) => {
    const file = join(dir, 'raft.snap')
    await writeFile(file, bytes)
    return file
  }
  const whole = () => pack({ 'meta.json': META, 'state.bin': STATE, SHA256SUMS: SUMS, 'SHA256SUMS.sealed': Buffer.from('sealed') })

  it('that is whole gives its index, its term and its sums', async () => {
    expect(await factsOfFile(await written(whole()))).toMatchObject({ index: 7, term: 2, servers: 'a:8201', 'state bytes': 300_000 })
  })

  it('with a member that has not the checksum written beside it is damaged, whatever gzip says', async () => {
    const other = Buffer.from(STATE)
    other[1000] = 0
    const bytes = pack({ 'meta.json': META, 'state.bin': other, SHA256SUMS: SUMS })
    await expect(factsOfFile(await written(bytes))).rejects.toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringMatching(/state\.bin has not/),
    })
  })

  it('without a member, without sums, cut off, or no archive at all is damaged', async () => {
    const bad = [
      pack({ 'meta.json': META, SHA256SUMS: SUMS }),
      pack({ 'meta.json': META, 'state.bin': STATE }),
      pack({ 'meta.json': META, 'state.bin': STATE, SHA256SUMS: Buffer.from(sumsOf({ 'meta.json': META })) }),
      whole().subarray(0, -20),
      Buffer.from('{"errors":["internal error"]}'),
      Buffer.alloc(0),
    ]
    for (const bytes of bad) await expect(factsOfFile(await written(bytes))).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  it('is opened and checked by hand as the README says', async () => {
    await written(whole())
    const line = README.split('\n').find((one) => one.startsWith('mkdir raft')) ?? ''
    expect((await run({ program: 'sh', args: ['-c', line], cwd: dir })).stdout.toString()).toMatch(/state\.bin: OK/)
  })
})

describe('the README of vault', () => {
  it('shows a configuration that holds', () => {
    const yaml = /```yaml\n(.*?)```/s.exec(README)?.[1] ?? ''
    const { sources } = parse(yaml) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['secrets'])).toMatchObject({ driver: 'vault', scratch: { unsealKeys: { length: 3 } } })
  })
})
