import { describe, expect, it } from 'vitest'
import { parseKey, ROOT, sourcePrefix } from '../../../src/catalog/keys.ts'
import { parseWalKey, parseWalName, placeOf, recordKeyOf } from '../../../src/wal/names.ts'

describe('a name', () => {
  it.each([
    ['0000000A00000003000000FF', 'segment', 10],
    ['000000010000000000000003.partial', 'partial', 1],
    ['000000010000000000000003.00000028.backup', 'backup', 1],
    ['00000002.history', 'history', 2],
    ['neumann-000123.log', 'other', undefined],
    ['00000001000000000000000g', 'other', undefined],
    ['00000001000000000000000a', 'other', undefined],
  ])('%s is told for what it is', (name, kind, timeline) => {
    expect(parseWalName(name)).toEqual(timeline === undefined ? { name, kind } : { name, kind, timeline })
  })

  it.each(['', '.', '..', '.hidden', 'a/b', '../000000010000000000000003', 'a\\b', 'a\nb', 'ü', 'a'.repeat(201)])(
    'that could leave its place, %j, is refused',
    (name) => {
      expect(() => parseWalName(name)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', object: name }))
    },
  )
})

describe('the place of a name', () => {
  it('is found again by its key, the record told from the content', () => {
    for (const text of ['000000010000000000000003', '00000002.history', 'wal.json', 'x.log']) {
      const name = parseWalName(text)
      expect(parseWalKey('shop', recordKeyOf('shop', name))).toEqual({ name: text, isRecord: true })
      expect(parseWalKey('shop', `${placeOf('shop', name)}0a1b.zst.age`)).toEqual({ name: text, isRecord: false })
    }
  })

  it('is apart for every name and every archive', () => {
    const names = ['000000010000000000000003', '000000010000000000000003.partial', '00000001', 'other', 'other.log']
    const places = ['shop', 'shop2', 'other'].flatMap((archive) => names.map((name) => placeOf(archive, parseWalName(name))))
    for (const place of places) expect(places.filter((one) => one.startsWith(place))).toEqual([place])
  })

  it('is below no source, so that no listing, sweep or retention of recovery points comes across it', () => {
    const key = recordKeyOf('shop', parseWalName('000000010000000000000003'))
    expect(key.startsWith(ROOT)).toBe(false)
    expect(key.startsWith(sourcePrefix('shop'))).toBe(false)
    expect(parseKey(key)).toBeUndefined()
  })
})
