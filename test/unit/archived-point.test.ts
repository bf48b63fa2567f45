/** Which point is meant, and from where, where some have to be thawed. */
import { describe, expect, it } from 'vitest'
import { createFindPoint } from '../../activities/find-point.ts'
import type { Services } from '../../activities/services.ts'
import { parseConfig } from '../../src/config/load.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import type { PointSummary } from '../../src/core/records.ts'
import { point } from '../support/retention.ts'

const config = parseConfig(
  `
repositories: { hot: { type: folder, path: /hot }, dr: { type: folder, path: /dr }, far: { type: folder, path: /far } }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { driver: files, root: /srv, repository: hot, copies: [dr, far] } }
`,
  'holdfast.yaml',
)
const cold = (one: PointSummary) => ({ ...one, storageClasses: ['GLACIER'] })
/** What is in each repository; an error for one that does not answer. */
function find(hot: PointSummary[] | Error, dr: PointSummary[] | Error, far: PointSummary[] = []) {
  const all: Record<string, PointSummary[] | Error | undefined> = { hot, dr, far }
  const survey = async (repository: string) => {
    const points = all[repository]
    if (points instanceof Error) throw points
    return { points, problems: [] }
  }
  const services = { config, catalog: async (repository: string) => ({ survey: () => survey(repository) }) }
  const { resolvePoint } = createFindPoint(services as unknown as Services)
  return (recoveryPoint: string, more = {}) => resolvePoint({ source: 'orders', recoveryPoint, ...more })
}
const [old, young] = [point(100), point(1)]

describe('a point in an archive', () => {
  it('is taken from another repository that has the same one where it can be read', async () => {
    expect(await find([cold(old), young], [old])(old.id)).toMatchObject({ id: old.id, repository: 'dr' })
    expect(await find([cold(old), young], [old])(old.id)).not.toHaveProperty('archived')
  })

  it('is said to be in one where no other has it, or that one is in an archive, too', async () => {
    for (const dr of [[], [young], [cold(old)]]) {
      const found = await find([cold(old), young], dr)(old.id)
      expect(found).toMatchObject({ id: old.id, archived: 'GLACIER' })
      expect(found).not.toHaveProperty('repository')
    }
  })

  it('is said to be in one where the repository of the source is away', async () => {
    const away = new HoldfastError('STORE_UNREACHABLE', 'hot is away')
    expect(await find(away, [cold(old)])(old.id)).toMatchObject({
      id: old.id,
      repository: 'dr',
      archived: 'GLACIER',
      instead: expect.any(String),
    })
  })

  it('is no reason to warn of where a copy of it is taken, whatever was wrong with another', async () => {
    const away = new HoldfastError('STORE_UNREACHABLE', 'dr is away')
    const found = await find([cold(old)], away, [old])(old.id)
    expect(found).toMatchObject({ id: old.id, repository: 'far' })
    expect(found).not.toHaveProperty('instead')
  })

  it('is neither the latest nor a random one of those that can be read, as long as there is one', async () => {
    for (const wanted of ['latest', 'random'])
      expect(await find([old, cold(young)], [])(wanted, { readable: true })).toMatchObject({ id: old.id })
    expect(await find([old, cold(young)], [])('latest')).toMatchObject({ id: young.id, archived: 'GLACIER' })
    expect(await find([cold(young)], [])('latest', { readable: true })).toMatchObject({ id: young.id, archived: 'GLACIER' })
  })
})
