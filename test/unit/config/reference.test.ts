import { describe, expect, it } from 'vitest'
import { configDocs, outdated } from '../../../scripts/config-reference.ts'

describe('the reference of holdfast.yaml', () => {
  it('is what the schema gives: else run node scripts/config-reference.ts', () => {
    expect(outdated()).toEqual([])
  })

  it('has every key of the schema', () => {
    const { 'config.md': page = '', 'config.schema.json': schema = '' } = configDocs()
    const keys = new Set<string>()
    JSON.parse(schema, (_, value: { properties?: object }) => {
      for (const name of Object.keys(value?.properties ?? {})) if (name !== 'driver' && name !== 'type') keys.add(name)
      return value
    })
    expect(keys.size).toBeGreaterThan(60)
    for (const key of keys) expect(page).toMatch(new RegExp(`\\b${key}\\b`))
  })

  it('says once, and before the kinds of a part, what all of them have', () => {
    const { 'config.md': page = '' } = configDocs()
    const rows = page.split('\n').filter((line) => line.startsWith('| `retention.keepLast` |'))
    expect(rows).toHaveLength(1)
    expect(page.indexOf(String(rows[0]))).toBeLessThan(page.indexOf('## `sources.<name> (driver: '))
    const [shared = '', ofKind = ''] = [/## `sources\.<name>`\n[^#]*/, /## `sources\.<name> \(driver: postgres-physical\)`\n[^#]*/].map(
      (table) => table.exec(page)?.[0],
    )
    expect(shared).not.toContain('pitrWindow')
    expect(ofKind).toContain('| `pitrWindow` |')
  })
})
