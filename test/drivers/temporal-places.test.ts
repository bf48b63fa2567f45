/** Where a namespace is, and where it is tried: clusters that do not answer, that are not as they should be, that are somebody else's. */
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTemporal, type TemporalServer } from '../../scripts/toolbox/temporal.ts'
import { placeOf } from '../../src/temporal/namespace-session.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { contextFor, failures } from '../conformance/driver.ts'
import { openTemporalBench, type TemporalBench } from '../support/temporal.ts'

let bench: TemporalBench
let other: TemporalServer
beforeAll(async () => {
  bench = await openTemporalBench()
  other = await startTemporal()
}, 120_000)
afterAll(async () => {
  await other?.stop()
  await bench?.close()
})

async function namespacesOf({ address }: TemporalServer): Promise<string[]> {
  const connection = await Connection.connect({ address })
  const { namespaces } = await connection.workflowService.listNamespaces({ pageSize: 100 })
  await connection.close()
  return namespaces
    .map(({ namespaceInfo }) => namespaceInfo?.name ?? '')
    .filter((name) => !/-deleted-/.test(name))
    .sort()
}

describe('a source', { timeout: 120_000 }, () => {
  it('that does not answer is a failure that passes, a namespace that is not there is none', async () => {
    await expect(bench.driver({ address: '127.0.0.1:1' }).preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      retryable: true,
    })
    await expect(bench.driver({ namespace: 'nowhere' }).preflight(contextFor())).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      object: 'nowhere',
      retryable: false,
    })
  })

  it('without the program for a proof can be backed up, and preflight says what is lacking', async () => {
    const { findings } = await bench.driver({ programs: { temporal: '/nowhere/temporal' } }).preflight(contextFor())
    expect(findings).toContainEqual(expect.objectContaining({ name: 'scratch server', ok: false, required: false }))
  })

  it('takes its certificate and its key from references, at the last moment, and switches TLS on for a key', async () => {
    const asked: string[] = []
    const secret = async (reference: string) => {
      asked.push(reference)
      return `value of ${reference}`
    }
    const place = placeOf(
      { address: 'cloud:7233', namespace: 'shop', apiKey: 'key', tls: { ca: 'ca', certificate: 'crt', key: 'pem', serverName: 'inner' } },
      { secret },
    )
    expect(asked).toEqual([])
    expect(await place.options()).toMatchObject({
      apiKey: 'value of key',
      tls: {
        serverNameOverride: 'inner',
        serverRootCACertificate: Buffer.from('value of ca'),
        clientCertPair: { crt: Buffer.from('value of crt'), key: Buffer.from('value of pem') },
      },
    })
    expect(await placeOf({ address: 'a:1', namespace: 'b', apiKey: 'key' }, { secret }).options()).toHaveProperty('tls')
    expect(await placeOf({ address: 'a:1', namespace: 'b' }, { secret }).options()).not.toHaveProperty('tls')
  })
})

describe('a proof on a cluster that the source names', { timeout: 120_000 }, () => {
  it('makes a namespace of its own there and deletes it, from another process too, and starts no server', async () => {
    const scratch = { address: other.address, namespace: 'tried' }
    const manifest = await bench.take()
    const before = await namespacesOf(other)
    const dir = join(bench.scratch, 'proof-1')
    const driver = bench.driver({ scratch, programs: { temporal: '/nowhere/temporal' } })
    const { target } = await driver.restore(contextFor(), manifest, bench.source, { dir })
    expect(target).toMatchObject({ connection: other.address, database: expect.stringMatching(/^tried-[0-9a-f]{16}$/) })
    expect(await namespacesOf(other)).toEqual([...before, target.database].sort())
    expect(await processesIn(dir)).toEqual([])
    expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
    await bench.driver({ scratch }).destroy({ dir })
    await bench.driver({ scratch }).destroy({ dir })
    expect(await namespacesOf(other)).toEqual(before)
  })

  it('has no name that anybody else may have: two at once, in folders of the same name, take nothing from each other', async () => {
    const scratch = { address: other.address, namespace: 'tried' }
    const manifest = await bench.take()
    const before = await namespacesOf(other)
    const [one, two] = ['worker-1', 'worker-2'].map((worker) => join(bench.scratch, worker, 'proof'))
    const driver = bench.driver({ scratch })
    const first = await driver.restore(contextFor(), manifest, bench.source, { dir: one ?? '' })
    const second = await driver.restore(contextFor(), manifest, bench.source, { dir: two ?? '' })
    expect(second.target.database).not.toBe(first.target.database)
    await driver.destroy({ dir: one ?? '' })
    expect(await namespacesOf(other)).toEqual([...before, second.target.database].sort())
    await driver.destroy({ dir: two ?? '' })
    expect(await namespacesOf(other)).toEqual(before)
  })
})
