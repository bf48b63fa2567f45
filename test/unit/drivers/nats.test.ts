import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamConfig } from '../../../src/drivers/nats/answers.ts'
import { configDigest } from '../../../src/drivers/nats/facts.ts'
import { continued } from '../../../src/drivers/nats/origins.ts'
import { overlap } from '../../../src/drivers/nats/overlap.ts'
import { createRanges, isIn } from '../../../src/drivers/nats/ranges.ts'
import { natsSource } from '../../../src/drivers/nats/config.ts'
import { holds, JOURNAL, matching, originsFirst, selected } from '../../../src/drivers/nats/select.ts'
import { isOlder } from '../../../src/drivers/nats/versions.ts'

const config = (name: string, more: Partial<StreamConfig> = {}): StreamConfig => ({
  name,
  storage: 'file',
  retention: 'limits',
  max_age: 0,
  max_bytes: -1,
  num_replicas: 1,
  ...more,
})

it.each([
  ['a', 'a', true],
  ['a', 'b', false],
  ['a.b', 'a', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', false],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['*.b', 'a.*', true],
  ['*.b.>', 'a.*.c', true],
  ['>', 'anything.at.all', true],
])('the subjects %s and %s overlap: %s', (a, b, expected) => {
  expect([overlap(a, b), overlap(b, a)]).toEqual([expected, expected])
})

describe('the order of streams', () => {
  const names = (configs: StreamConfig[]) => originsFirst(configs).map(({ name }) => name)

  it('has origins before whoever takes messages from them', () => {
    const mirror = config('A', { mirror: { name: 'M' } })
    const sourcing = config('B', { sources: [{ name: 'A' }, { name: 'Z' }] })
    expect(names([mirror, sourcing, config('M'), config('Z')])).toEqual(['M', 'A', 'Z', 'B'])
  })

  it('holds every stream once, where they source from each other or from elsewhere too', () => {
    const round = [config('A', { sources: [{ name: 'B' }] }), config('B', { sources: [{ name: 'A' }, { name: 'gone' }] })]
    expect(names(round).sort()).toEqual(['A', 'B'])
    expect(names([config('A', { mirror: { name: 'B', external: { api: '$JS.hub.API' } } }), config('B')])).toEqual(['A', 'B'])
  })
})

it('a set of sequences holds what was put into it, in whatever order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 })), (sequences) => {
      const ranges = createRanges()
      for (const seq of sequences) ranges.add(seq)
      const all = ranges.all()
      for (let seq = 0; seq <= 61; seq += 1) expect(isIn(all, seq)).toBe(sequences.includes(seq))
      for (const [index, [from]] of all.entries()) if (index > 0) expect(from).toBeGreaterThan((all[index - 1]?.[1] ?? 0) + 1)
    }),
  )
})

it('versions are compared by major and minor', () => {
  expect(isOlder('2.12.9', '2.15.0')).toBe(true)
  expect(isOlder('2.9.30', '2.10.0')).toBe(true)
  expect(isOlder('2.15.0', '2.15.2')).toBe(false)
  expect(isOlder('3.0.0-RC.1', '2.15.2')).toBe(false)
})

it('buckets are called what their users call them', () => {
  expect(['KV_a_b', 'OBJ_files', 'KV_', 'ORDERS'].map(holds)).toEqual(['key-value bucket a_b', 'object bucket files', 'stream', 'stream'])
})

it('a pattern is its own letters, and * anything', () => {
  const names = ['A', 'A.B', 'AxB', 'KV_a+b']
  expect(matching('A.B', names)).toEqual(['A.B'])
  expect(matching('A*', names)).toEqual(['A', 'A.B', 'AxB'])
  expect(matching('KV_*+*', names)).toEqual(['KV_a+b'])
})

it('a configuration is the same on a server that shows more fields, and another where something it says is', () => {
  const shown = config('A', { allow_new: false, more: {}, less: '', limit: -1 })
  expect(configDigest(shown)).toBe(configDigest(config('A')))
  expect(configDigest(config('A', { max_msgs: 5 }))).not.toBe(configDigest(config('A')))
})

it('what a restore writes down for itself is no stream of the source', () => {
  const source = natsSource.parse({ driver: 'nats', repository: 'hot', servers: ['nats://n1:4222'] })
  const all = ['A', `${JOURNAL}20251018_214530_manual`].map((name) => ({ config: config(name) }))
  expect(selected(source, all).map((info) => info.config.name)).toEqual(['A'])
})

it('a server is named without a password', () => {
  const servers = ['nats://user:password@n1:4222']
  expect(natsSource.safeParse({ driver: 'nats', repository: 'hot', servers }).success).toBe(false)
})

describe('where a sourcing stream goes on', () => {
  const sourcing = config('S', { sources: [{ name: 'O', filter_subject: 'a.>' }, { name: 'O', filter_subject: 'b.>' }, { name: 'X' }] })
  const positions = [
    { name: 'X', seq: 7 },
    { name: 'O', filter_subject: 'b.>', seq: 30 },
    { name: 'O', filter_subject: 'a.>', seq: 10 },
  ]
  const starts = (last: number | undefined, options = {}) =>
    continued(sourcing, positions, (stream) => (stream === 'O' ? last : undefined), options).sources?.map((source) => source.opt_start_seq)

  it('is after what it has, and never beyond its restored origin; each filter by itself', () => {
    expect(starts(20)).toEqual([11, 21, undefined])
    expect(starts(undefined)).toEqual([undefined, undefined, undefined])
  })

  it('is known for all of its sources where it is restored itself', () => {
    expect(starts(20, { itself: true })).toEqual([11, 21, 8])
    expect(continued(sourcing, [], () => 20, { itself: true }).notes).toEqual([])
  })
})
