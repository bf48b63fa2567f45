import { describe, expect, it } from 'vitest'
import { bytesOf, seconds, sizeText } from '../../../src/core/duration.ts'

describe('durations and sizes', () => {
  it('are read as they are written', () => {
    expect(['30s', '15m', '25h', '7d'].map(seconds)).toEqual([30, 900, 90_000, 604_800])
    expect(['5B', '1kB', '16MB', '2GB', '1TB'].map(bytesOf)).toEqual([5, 1024, 16_777_216, 2_147_483_648, 1_099_511_627_776])
  })

  it.each(['15', 'm', '1.5h', '-1s', '1 h', '1w', ''])('"%s" is no duration', (text) => {
    expect(() => seconds(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('are written as they are read', () => {
    expect([0, 5, 1024, 16_777_216, 1_099_511_627_776].map(sizeText)).toEqual(['0B', '5B', '1kB', '16MB', '1TB'])
    expect([1536, 84.52 * 1024 ** 3, 2000 * 1024 ** 4].map(sizeText)).toEqual(['1.5kB', '84.5GB', '2000TB'])
  })

  it.each(['16', '16mb', '1.5GB', 'MB', ''])('"%s" is no size', (text) => {
    expect(() => bytesOf(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})
