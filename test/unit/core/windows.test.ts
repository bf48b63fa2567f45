import { describe, expect, it } from 'vitest'
import { parseDates, parseSpan, stateAt, type Windows } from '../../../src/core/windows.ts'

const windows = (open: string[], closed: string[] = [], timezone = 'UTC'): Windows => ({
  open: open.map(parseSpan),
  closed: closed.map(parseDates),
  timezone,
})
const at = (text: string) => new Date(`${text}:00Z`)
const state = (given: Windows, when: string) => {
  const { open, until } = stateAt(given, at(when))
  return `${open ? 'open' : 'closed'} until ${until?.toISOString().slice(0, 16) ?? 'further notice'}`
}

describe('a window', () => {
  it('over midnight belongs to the day on which it begins', () => {
    const nights = windows(['Mon-Fri 22:00-06:00'])
    // 2026-11-20 is a Friday.
    expect(state(nights, '2026-11-20T21:59')).toBe('closed until 2026-11-20T22:00')
    expect(state(nights, '2026-11-20T22:00')).toBe('open until 2026-11-21T06:00')
    expect(state(nights, '2026-11-21T05:59')).toBe('open until 2026-11-21T06:00')
    expect(state(nights, '2026-11-21T22:30')).toBe('closed until 2026-11-23T22:00')
    expect(state(nights, '2026-11-23T05:00')).toBe('closed until 2026-11-23T22:00')
  })

  it('that touches the next goes on in it', () => {
    expect(state(windows(['Sat 20:00-24:00', 'Sun 00:00-04:00']), '2026-11-21T21:00')).toBe('open until 2026-11-22T04:00')
  })

  it('is closed on the dates that are closed, whatever it says itself', () => {
    const given = windows(['daily 00:00-24:00'], ['2026-12-24 to 2026-12-26'])
    expect(state(given, '2026-12-23T12:00')).toBe('open until 2026-12-24T00:00')
    expect(state(given, '2026-12-25T12:00')).toBe('closed until 2026-12-27T00:00')
  })

  it('is read on the clock of its zone, also on the night when that is set back', () => {
    const given = windows(['daily 02:00-03:00'], [], 'Europe/Berlin')
    expect(state(given, '2026-10-24T00:30')).toBe('open until 2026-10-24T01:00')
    // Two o'clock comes twice: 00:00 and 01:00 UTC.
    expect(state(given, '2026-10-25T00:30')).toBe('open until 2026-10-25T02:00')
  })

  it('without any is open always', () => {
    expect(state(windows([]), '2026-11-21T21:00')).toBe('open until further notice')
  })

  it.each([
    '22:00-06:00',
    'Mon 22:00',
    'Mon 25:00-26:00',
    'Mon 06:00-06:00',
    'Moon 22:00-23:00',
    'Mon-Tue-Wed 22:00-23:00',
    'Mon 22:60-23:00',
  ])('"%s" is refused with examples', (text) => {
    expect(() => parseSpan(text)).toThrow(/is no window: .*right would be "daily 22:00-06:00"/)
  })

  it.each(['2026-12-32', '2026-12-26 to 2026-12-24', 'christmas', '2026-02-30'])('"%s" are no dates', (text) => {
    expect(() => parseDates(text)).toThrow(/are no dates/)
  })
})
