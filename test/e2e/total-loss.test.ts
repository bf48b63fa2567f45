/** Everything deleted, everything back: with the repository, the keys and the configuration alone, on new addresses. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SAMPLES } from '../../scripts/sources/samples.ts'
import type { OpenSample } from '../../scripts/sources/sample.ts'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { type S3Server, startS3 } from '../../scripts/toolbox/s3.ts'
import type { Outside } from '../../src/cli/doctor/bare.ts'
import type { SetRecord } from '../../src/core/sets.ts'
import { answer, holdfast, refusal } from '../support/cli.ts'
import { lostCluster } from '../support/lost-cluster.ts'
import { openSourceStack, type SourceStack } from '../support/source-stack.ts'

const SAMPLED = ['redis', 'files', 'rocksdb'] as const
const MEMBERS = ['shop', ...SAMPLED] as const
const sets = { everything: { sources: ['shop', { name: 'redis', after: ['shop'] }, { name: 'files', after: ['redis'] }, 'rocksdb'] } }

let home: string
let stack: SourceStack
let s3: S3Server
const openers = async (prepare: (open: OpenSample) => OpenSample) =>
  Object.fromEntries(
    await Promise.all(
      SAMPLED.map(async (name) => {
        const open = await SAMPLES[name]?.()
        if (!open) throw new Error(`no sample ${name}`)
        return [name, prepare(open)] as const
      }),
    ),
  )
/** What somebody provides after a loss: the system, and nothing in it. */
const empty =
  (open: OpenSample): OpenSample =>
  async (dir) => {
    const sample = await open(dir)
    await sample.destroy()
    return sample
  }
const contents = async () =>
  Object.fromEntries(await Promise.all(MEMBERS.map(async (name) => [name, await stack.samples[name]?.contents()] as const)))

describe('a set of sources', { timeout: 600_000 }, () => {
  let before: Record<string, string | undefined>
  let taken: string

  beforeAll(async () => {
    home = await reachableFolder('hfh-')
    s3 = await startS3()
    await s3.createBucket('wal')
    const shop = lostCluster(s3, join(home, 'pgbackrest'), { provided: false })
    stack = await openSourceStack({ shop, ...(await openers((open) => open)) }, { home, sets })
  }, 300_000)
  afterAll(async () => {
    await stack?.close()
    await s3?.stop()
    await rm(home, { recursive: true, force: true })
  })

  it('is taken together, each member behind one barrier, and listed with its points', async () => {
    before = await contents()
    const done = await answer<{ id: string; members: { source: string; id: string }[] }>([
      '--config',
      stack.configFile,
      'backup-set',
      'everything',
    ])
    taken = done.id
    const [record] = await answer<SetRecord[]>(['--config', stack.configFile, 'sets', 'everything'])
    expect(record).toMatchObject({ id: taken, complete: true })
    expect(record?.members.map(({ source }) => source)).toEqual(['shop', 'redis', 'files', 'rocksdb'])
    for (const member of record?.members ?? []) {
      expect(done.members.find(({ source }) => source === member.source)?.id).toBe(member.id)
      expect(Date.parse(member.barrier['time'] ?? '')).not.toBeNaN()
    }
  })

  it('is back on new addresses once everything is gone but the repository, the keys and the configuration', async () => {
    await stack.samples['shop']?.change()
    const shop = await stack.samples['shop']?.contents()
    expect(shop).toContain('after the set')
    await stack.close()
    stack = await openSourceStack(
      { shop: lostCluster(s3, join(home, 'pgbackrest'), { provided: true }), ...(await openers(empty)) },
      { home, sets, bundles: true },
    )
    expect(await contents()).not.toEqual(before)
    const config = ['--config', stack.configFile]
    const said = await holdfast([...config, '--json', 'doctor', '--bare'])
    const outside = JSON.parse(said.stdout) as Outside[]
    expect(outside.filter(({ here, what }) => here === false && what !== 'secret')).toEqual([])
    expect(outside.map(({ what }) => what)).toEqual(expect.arrayContaining(['key', 'repository', 'program', 'service']))

    const { code, object, next } = await refusal([...config, 'recover-site', 'everything'])
    expect([code, next]).toEqual([
      'CONFIRM_MISMATCH',
      expect.stringContaining(`holdfast recover-site everything ${taken} --confirm ${object}`),
    ])
    const done = await answer<{ recoverySet: string; outcome: string }>([...config, 'recover-site', 'everything', '--confirm', object])
    expect(done).toMatchObject({
      recoverySet: taken,
      members: [{ source: 'shop' }, { source: 'redis' }, { source: 'files' }, { source: 'rocksdb' }],
    })
    // Its archive has what came after the set.
    expect(await contents()).toEqual({ ...before, shop })
  })
})
