import { describe, expect, it } from 'vitest'
import { parseCalendar } from '../../../src/core/calendar.ts'

const hours = { start: 0, end: 23, step: 1 }

describe('a calendar', () => {
  it.each([
    ['Sun 02:00', { hour: 2, minute: 0, dayOfWeek: [{ start: 'SUNDAY', end: 'SUNDAY' }] }],
    ['Mon-Sat 02:05', { hour: 2, minute: 5, dayOfWeek: [{ start: 'MONDAY', end: 'SATURDAY' }] }],
    [
      'mon,thu 22:30',
      {
        hour: 22,
        minute: 30,
        dayOfWeek: [
          { start: 'MONDAY', end: 'MONDAY' },
          { start: 'THURSDAY', end: 'THURSDAY' },
        ],
      },
    ],
    [
      'Mon,Tue-Wednesday,Sat 1:00',
      {
        hour: 1,
        minute: 0,
        dayOfWeek: [
          { start: 'MONDAY', end: 'WEDNESDAY' },
          { start: 'SATURDAY', end: 'SATURDAY' },
        ],
      },
    ],
    [
      'Fri-Mon 23:59',
      {
        hour: 23,
        minute: 59,
        dayOfWeek: [
          { start: 'SUNDAY', end: 'MONDAY' },
          { start: 'FRIDAY', end: 'SATURDAY' },
        ],
      },
    ],
    ['daily 03:30', { hour: 3, minute: 30 }],
    ['daily', { hour: 3, minute: 0 }],
    ['weekly', { hour: 4, minute: 0, dayOfWeek: [{ start: 'SUNDAY', end: 'SUNDAY' }] }],
    ['monthly', { hour: 5, minute: 0, dayOfMonth: 1 }],
    ['monthly 15 04:00', { hour: 4, minute: 0, dayOfMonth: 15 }],
    ['hourly', { hour: hours, minute: 0 }],
    ['hourly :15', { hour: hours, minute: 15 }],
    ['every 15m', { hour: hours, minute: { start: 0, end: 59, step: 15 } }],
    ['every 6h', { hour: { start: 0, end: 23, step: 6 }, minute: 0 }],
  ])('%s', (text, wanted) => {
    expect(parseCalendar(text)).toEqual({ ...wanted, comment: text })
  })

  it.each([
    ['', 'names no time'],
    ['Sun', 'names no time'],
    ['02:00', 'names no day'],
    ['Sun 24:00', '"24:00" is no time of day'],
    ['Sun 2', '"2" is no time of day'],
    ['Sonntag 02:00', '"sonntag" is no day'],
    ['Mo 02:00', '"mo" is no day'],
    ['Mon-Tue-Wed 02:00', 'no range'],
    ['Mon, Tue 02:00', 'too much'],
    ['hourly 15', 'no minute of an hour'],
    ['hourly :60', 'no minute of an hour'],
    ['monthly 31 04:00', 'every month has'],
    ['monthly 1 04:00 UTC', 'too many'],
    ['every 7m', 'divide the hour'],
    ['every 60m', 'divide the hour'],
    ['every 0m', 'divide the hour'],
    ['every day', 'divide the hour'],
    ['0 2 * * 0', 'too much'],
  ])('"%s" is refused with what would be right', (text, why) => {
    expect(() => parseCalendar(text)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(new RegExp(`${why}.*right would be "Sun 02:00"`)) }),
    )
  })
})
