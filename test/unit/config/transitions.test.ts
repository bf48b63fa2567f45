import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import type { HoldfastError } from '../../../src/core/errors.ts'

const config = (lines: string[], driver = 'driver: files, root: /srv/orders', type = 'type: s3, bucket: backups') => `repositories:
  cold: { ${[type, ...lines].join(', ')} }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { ${driver}, repository: cold } }
`
const read = (...given: Parameters<typeof config>) => parseConfig(config(...given), 'holdfast.yaml').repositories['cold']
function problemsOf(...given: Parameters<typeof config>): string[] {
  try {
    read(...given)
  } catch (error) {
    const problems = (error as HoldfastError).details['problems'] as { path: string; message: string }[]
    return problems.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

const GLACIER = '{ after: 90d, storageClass: GLACIER }'

describe('the storage classes of a repository', () => {
  it('are said by age, with what a thaw costs and how often the run looks', () => {
    expect(read([`transitions: [${GLACIER}]`, 'thaw: { tier: Bulk }'])).toMatchObject({
      transitions: [{ after: '90d', storageClass: 'GLACIER' }],
      thaw: { tier: 'Bulk', days: 7, look: '15m' },
    })
    expect(problemsOf([`transitions: [{ after: 30d, storageClass: STANDARD_IA }, ${GLACIER}]`])).toEqual([])
  })

  it('are those of S3, in a repository of S3', () => {
    expect(problemsOf(['transitions: [{ after: 90d, storageClass: COLD }]'])).toEqual([expect.stringContaining('storageClass')])
    expect(problemsOf([`transitions: [${GLACIER}]`], undefined, 'type: folder, path: /srv')).toEqual([
      expect.stringContaining('transitions'),
    ])
  })

  it('are no archive for new points, whose proof reads them at once', () => {
    expect(problemsOf(['storageClass: DEEP_ARCHIVE'])).toEqual([expect.stringContaining('say in transitions when points go there')])
  })

  it('end with an archive: nothing is moved out of it', () => {
    const later = '{ after: 365d, storageClass: DEEP_ARCHIVE }'
    expect(problemsOf([`transitions: [${GLACIER}, ${later}]`])).toEqual([expect.stringContaining('can be moved no further')])
    const kinds = [
      '{ after: 90d, storageClass: GLACIER, kinds: [manual] }',
      '{ after: 365d, storageClass: DEEP_ARCHIVE, kinds: [scheduled] }',
    ]
    expect(problemsOf([`transitions: [${kinds.join(', ')}]`])).toEqual([])
  })

  it('are refused where pgBackRest keeps the data', () => {
    const physical =
      'driver: postgres-physical, connection: "host=db1 dbname=orders", stanza: orders, pgbackrestConfig: /etc/pgbackrest.conf'
    expect(problemsOf([`transitions: [${GLACIER}]`], physical)).toContainEqual(
      expect.stringContaining('transitions: orders is postgres-physical: its data lies in the repository of pgBackRest'),
    )
  })

  it('name a tier that they have', () => {
    expect(problemsOf(['transitions: [{ after: 90d, storageClass: DEEP_ARCHIVE }]', 'thaw: { tier: Expedited }'])).toEqual([
      expect.stringContaining('thaw.tier: DEEP_ARCHIVE knows Standard'),
    ])
  })
})
