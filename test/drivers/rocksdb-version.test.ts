/** The version of the program that owns a store, as its points have it. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { makeStore, type Store } from '../support/rocksdb.ts'

let store: Store
let repository: Repository
beforeAll(async () => {
  store = await makeStore()
  repository = await openRepository()
})
afterAll(async () => {
  await store?.remove()
  if (repository) await rm(repository.dir, { recursive: true, force: true })
})

const driver = (...command: string[]) => store.driver({ storeVersion: { name: 'meridian', command } })
const asked = (...command: string[]) => driver(...command).preflight(contextFor())

describe('the version of the program that owns a store', () => {
  it('is asked at each backup and stands in the point, beside that of RocksDB', async () => {
    const { versions } = await takePoint(driver('echo', 'meridian 0.1.0'), repository, nextRequest())
    expect(versions).toEqual({ meridian: '0.1.0', ldb: expect.stringMatching(/^\d+\./) })
    const next = await takePoint(driver('echo', 'meridian 0.2.0'), repository, nextRequest())
    expect(next.versions['meridian']).toBe('0.2.0')
  })

  it.each([
    ['meridian v1.2.3-rc1+4f1d', '1.2.3-rc1+4f1d'],
    ['\\n  nightly of Monday\\nmore', 'nightly of Monday'],
  ])('of %j is %j', async (said, version) => {
    expect((await asked('printf', said)).versions['meridian']).toBe(version)
  })

  it('may need to know where the store is', async () => {
    expect((await asked('sh', '-c', 'test -f "$0/CURRENT" && echo 3.1', '{path}')).versions['meridian']).toBe('3.1')
  })

  it.each([
    ['fails', ['false']],
    ['says nothing', ['true']],
    ['is not there', ['/no/such/program']],
  ])('whose program %s is a warning, and refuses no backup', async (_, command) => {
    const { versions, findings } = await asked(...command)
    expect(Object.keys(versions)).toEqual(['ldb'])
    expect(findings.filter(({ ok }) => !ok)).toEqual([
      expect.objectContaining({ name: 'version of meridian', required: false, next: expect.stringContaining('storeVersion.command') }),
    ])
    expect((await takePoint(driver(...command), repository, nextRequest())).versions).not.toHaveProperty('meridian')
  })

  it('takes no name that another version has', () => {
    expect(() => store.config({ storeVersion: { name: 'ldb', command: ['true'] } })).toThrow(/not ldb/)
  })
})
