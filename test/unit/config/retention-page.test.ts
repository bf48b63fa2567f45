/** docs/retention.md: what it shows is a configuration, and what the rules make of it is what it says. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parseDocument } from 'yaml'
import { parseConfig } from '../../../src/config/load.ts'
import { retentionRules } from '../../../src/config/retention-rules.ts'

const page = readFileSync(new URL('../../../docs/retention.md', import.meta.url), 'utf8')
const [source = '', kinds = '', repositories = '', limited = '', classes = ''] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
  ([, block]) => block ?? '',
)

/** The fragment with what it leaves out. */
function whole(fragment: string) {
  const shown = parseDocument(fragment).toJS() as { sources?: { orders: object }; repositories?: object }
  const orders = {
    connection: 'host=db1',
    host: 'db1',
    stanza: 'orders',
    pgbackrestConfig: '/etc/pgbackrest.conf',
    ...shown.sources?.orders,
  }
  return parseConfig(
    JSON.stringify({
      repositories: { hot: { type: 'folder', path: '/srv' }, dr: { type: 'folder', path: '/dr' }, ...shown.repositories },
      encryption: { recipients: ['age1abc'] },
      signing: { keyId: 'a', publicKeys: { a: 'QQ==' } },
      sources: shown.sources ? { orders } : {},
    }),
    'docs/retention.md',
  )
}
const rulesIn = (text: string, repository = 'hot') => {
  const { orders } = whole(text).sources
  return orders && retentionRules(orders, repository)
}
/** A `retention` of the page in the source that it begins with. */
const inSource = (line: string) => source.replace(/^ {4}retention:.*\n/m, line).replace(/^ {4}schedules:\n( {6}.*\n)+/m, '')

it('the source that it begins with has rules for its kinds, and others for the rest', () => {
  expect(rulesIn(source)).toMatchObject({
    keepWithin: '30d',
    weekly: 52,
    pitrWindow: '7d',
    kinds: { full: { keepWithin: '90d', yearly: 7 }, incremental: { keepWithin: '30d' } },
  })
})

it('what it shows for kinds and for another repository holds there', () => {
  expect(rulesIn(inSource(kinds))?.kinds).toMatchObject({ scheduled: { keepLast: 7 }, incremental: { keepLast: 10 } })
  expect(rulesIn(inSource(repositories), 'dr')).toMatchObject({ keepLast: 1, weekly: 52 })
  expect(rulesIn(inSource(repositories))).toMatchObject({ keepWithin: '30d', weekly: 0 })
})

it('its limit is one', () => {
  expect(whole(limited).repositories.hot).toMatchObject({ limit: { warn: '80GB', cap: '100GB' } })
})

it('its storage classes are those of a repository', () => {
  const { cold } = whole(classes).repositories
  expect(cold).toMatchObject({
    transitions: [
      { after: '30d', storageClass: 'STANDARD_IA' },
      { after: '90d', storageClass: 'GLACIER' },
    ],
    thaw: { tier: 'Bulk', days: 7, look: '30m' },
  })
})
