import { describe, expect, it } from 'vitest'
import { takenAt } from '../../../src/drivers/common/taken-at.ts'

const modified = new Date('2025-10-20T09:30:00Z')
const now = new Date('2025-10-21T00:00:00Z')
const at = (name: string, recorded?: string) => takenAt({ name, recorded, modified }, now)?.at.toISOString()

describe('when a backup was taken', () => {
  it.each([
    ['20251018_214530_manual.dump', '2025-10-18T21:45:30.000Z'],
    ['backup_20251018_214530.dump', '2025-10-18T21:45:30.000Z'],
    ['orders-2025-10-18T21:45:30Z.sql.gz', '2025-10-18T21:45:30.000Z'],
    ['orders_2025-10-18_21-45-30.sql', '2025-10-18T21:45:30.000Z'],
    ['20251018214530.dump', '2025-10-18T21:45:30.000Z'],
  ])('is in the name %s', (name, expected) => {
    expect(at(name)).toBe(expected)
  })

  it('is believed of a name before the archive, and of that before the file', () => {
    expect(at('backup_20251018_214530.dump', '2025-10-17 00:00:00 UTC')).toBe('2025-10-18T21:45:30.000Z')
    expect(at('backup.dump', '2025-10-17 00:00:00 UTC')).toBe('2025-10-17T00:00:00.000Z')
    expect(at('backup.dump')).toBe(modified.toISOString())
  })

  it('of a day in a name is the time of the file where that is of the same day somewhere, else the beginning of the day', () => {
    expect(at('backup_20251020.dump')).toBe(modified.toISOString())
    expect(at('backup_20251018.dump')).toBe('2025-10-18T00:00:00.000Z')
  })

  it('is not what looks like a time and is none, nor what lies in the future', () => {
    expect(at('20251318_214530.dump')).toBe(modified.toISOString())
    expect(at('20250231.dump')).toBe(modified.toISOString())
    expect(at('invoice-120251018_2145300.dump')).toBe(modified.toISOString())
    expect(at('20251022_000000.dump')).toBe(modified.toISOString())
    expect(takenAt({ name: 'backup.dump', modified: new Date('2030-01-01') }, now)).toBeUndefined()
  })

  it('says what is not sure of it', () => {
    expect(takenAt({ name: '2025-10-18T21:45:30Z.dump', modified }, now)?.warning).toBeUndefined()
    expect(takenAt({ name: '20251018_214530.dump', modified }, now)?.warning).toMatch(/no zone/)
    expect(takenAt({ name: '20251018.dump', modified }, now)?.warning).toMatch(/a day and no time/)
    expect(takenAt({ name: 'x.dump', modified }, now)?.warning).toMatch(/last change/)
  })
})
