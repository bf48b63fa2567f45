import { describe, expect, it } from 'vitest'
import { differenceLines } from '../../../src/cli/point-difference.ts'
import { differenceOf } from '../../../src/core/point-difference.ts'
import type { Artifact, Manifest } from '../../../src/core/records.ts'

const file = (part: string, content: string | undefined, bytes = 10, key = `${part}/${content}`): Artifact => ({
  key,
  role: 'file',
  part,
  required: true,
  storedBytes: bytes / 2,
  plainBytes: bytes,
  blake3: 'f'.repeat(64),
  ...(content !== undefined && { contentBlake3: content }),
  compression: 'zstd',
  encryption: 'age',
})
const point = (id: string, artifacts: Artifact[], more: Partial<Manifest> = {}): Manifest =>
  ({ source: 'store', id, artifacts, ...more }) as Manifest

describe('between two points', () => {
  it('files are added, changed and removed by their content, whatever their encryption made of it', () => {
    const before = point('a', [file('same', 'x', 10, 'one'), file('changed', 'x', 10), file('gone', 'x', 30)])
    const after = point('b', [file('same', 'x', 10, 'another'), file('changed', 'y', 20), file('new', 'z', 40)])
    expect(differenceOf(before, after)).toMatchObject({
      from: 'a',
      to: 'b',
      files: {
        added: [{ name: 'new', after: 40 }],
        changed: [{ name: 'changed', before: 10, after: 20 }],
        removed: [{ name: 'gone', before: 30 }],
        same: 1,
      },
      unknown: [],
      facts: [],
    })
  })

  it('a dump whose content did not pass through Holdfast is called neither the same nor changed, unless it is the same object', () => {
    const shared = file('shared', undefined, 10, 'one object')
    const found = differenceOf(
      point('a', [file('dump', undefined, 10, 'first'), shared]),
      point('b', [file('dump', undefined, 10, 'second'), shared]),
    )
    expect(found).toMatchObject({ unknown: ['dump'], files: { changed: [], same: 1 } })
  })

  it('facts that differ are named: of the inventory, of tables, sequences and definitions, and the schema version', () => {
    const content = (rows: number) => ({
      tables: { 'public.orders': { rows, digest: `d${rows}` }, 'public.users': { rows: 1, digest: 'u' } },
      sequences: { s: { value: String(rows), increment: '1' } },
      largeObjects: { count: 0, digest: '0' },
      schema: 'same',
    })
    const before = point('a', [], { inventory: { folder: { files: 2 }, gone: { keys: 1 } }, content: content(10), schemaVersion: 2 })
    const after = point('b', [], { inventory: { folder: { files: 3 } }, content: content(11), schemaVersion: 3 })
    expect(differenceOf(before, after).facts).toEqual([
      { thing: 'application', fact: 'schema version', before: 2, after: 3 },
      { thing: 'folder', fact: 'files', before: 2, after: 3 },
      { thing: 'gone', fact: 'keys', before: 1 },
      { thing: 'sequence s', fact: 'value', before: '10', after: '11' },
      { thing: 'table public.orders', fact: 'rows', before: 10, after: 11 },
      { thing: 'table public.orders', fact: 'digest', before: 'd10', after: 'd11' },
    ])
  })

  it('people see each change on a line, and how many are left out', () => {
    const many = Array.from({ length: 103 }, (_, n) => file(`f${n}`, 'x'))
    const lines = differenceLines(differenceOf(point('a', [file('old', 'x', 1500)]), point('b', many)))
    expect(lines[0]).toBe('store from a to b: 103 files added, 0 changed, 1 removed, 0 the same')
    expect(lines).toContain('- old  1.5 kB')
    expect(lines).toContain('and 3 more')
    expect(lines).toHaveLength(103)
  })
})
