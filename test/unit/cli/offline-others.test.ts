import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { BY_HAND, nextOfOthers } from '../../../src/cli/offline-others.ts'
import { DRIVERS } from '../../../src/drivers/registry.ts'
import { manifestOf } from '../../support/catalog.ts'

const others = Object.keys(DRIVERS).filter((driver) => !driver.startsWith('postgres-'))

it.each(others)('what follows an offline restore of %s is no dump of PostgreSQL, and the page that it names is there', async (driver) => {
  const next = nextOfOthers(manifestOf('it', '20260101_000000_manual', [], { driver }), '/restored').join('\n')
  expect(next).not.toMatch(/pg_|psql|PGHOST/)
  const [page] = /src\/drivers\/\S+\.md/.exec(next) ?? []
  if (page) expect(await readFile(new URL(`../../../${page}`, import.meta.url), 'utf8')).toContain(`## ${BY_HAND}`)
  else expect(['files', 'command']).toContain(driver)
})
