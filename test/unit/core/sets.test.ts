import { describe, expect, it } from 'vitest'
import type { Manifest } from '../../../src/core/records.ts'
import { inOrder, judgeCheck } from '../../../src/core/sets.ts'

const member = (name: string, ...after: string[]) => ({ name, after })
const names = (members: { name: string }[]) => members.map(({ name }) => name).join(' ')

describe('the order of a restore', () => {
  it('puts each member after those that it names, and leaves the others as they were listed', () => {
    expect(names(inOrder([member('app', 'db', 'graph'), member('graph', 'db'), member('files'), member('db')]))).toBe('files db graph app')
    expect(names(inOrder([member('a'), member('b'), member('c')]))).toBe('a b c')
  })

  it('of members that wait for each other there is none', () => {
    expect(() => inOrder([member('a'), member('b', 'c'), member('c', 'b')])).toThrow(/^b, c wait for each other/)
  })
})

describe('a check between two members', () => {
  const points = new Map<string, Manifest>([
    ['db', { content: { tables: { 'public.events': { rows: 7, digest: '' } }, sequences: {} } } as unknown as Manifest],
    ['bus', { inventory: { 'stream EVENTS': { messages: 9, digest: 'aa' } } } as unknown as Manifest],
  ])
  const check = (is: '=' | '<=' | '>=', item = 'stream EVENTS', fact = 'messages') =>
    judgeCheck({ name: 'c', left: { source: 'db', item: 'public.events', fact: 'rows' }, is, right: { source: 'bus', item, fact } }, points)

  it('compares what the manifests say of both', () => {
    expect([check('<=').ok, check('>=').ok, check('=').ok]).toEqual([true, false, false])
    expect(check('<=')).toMatchObject({
      expected: 'db public.events rows <= bus stream EVENTS messages 9',
      actual: 'db public.events rows 7',
    })
  })

  it('does not hold where one of the two is not known, or is no number', () => {
    expect(check('<=', 'stream OTHER')).toMatchObject({ ok: false, expected: expect.stringContaining('not known') })
    expect(check('>=', 'stream EVENTS', 'digest').ok).toBe(false)
  })
})
