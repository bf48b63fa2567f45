import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writer } from 'protobufjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examine, statusOf } from '../../../src/drivers/temporal/history.ts'
import { inOrder } from '../../../src/drivers/common/in-order.ts'
import { EventType, History } from '../../../src/temporal/messages.ts'
import { readBundle } from '../../../src/drivers/temporal/read-bundle.ts'

async function* from<T>(items: T[], onEnd = () => {}): AsyncGenerator<T> {
  try {
    yield* items
  } finally {
    onEnd()
  }
}
const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Work that ends when it is told to, and counts what is under way. */
function work() {
  const state = { running: 0, most: 0, open: new Map<number, () => void>() }
  const start = async (item: number): Promise<number> => {
    state.running += 1
    state.most = Math.max(state.most, state.running)
    await new Promise<void>((resolve) => state.open.set(item, resolve))
    state.running -= 1
    return item
  }
  return { state, start }
}

describe('work in order', () => {
  it('gives results in the order of the things, whichever ends first, and begins no more than its width', async () => {
    const { state, start } = work()
    const results = all(inOrder(from([1, 2, 3, 4, 5]), { width: 2, weight: () => 0, most: 1 }, start))
    for (const wanted of [2, 1, 4, 3, 5]) {
      await expect.poll(() => state.open.has(wanted)).toBe(true)
      state.open.get(wanted)?.()
    }
    expect(await results).toEqual([1, 2, 3, 4, 5])
    expect(state.most).toBe(2)
  })

  it('begins what is heavy alone', async () => {
    let running = 0
    const seen: number[] = []
    const heavy = async (item: number) => {
      running += 1
      seen.push(running)
      await Promise.resolve()
      running -= 1
      return item
    }
    expect(await all(inOrder(from([1, 9, 1, 1]), { width: 4, weight: (item) => item, most: 5 }, heavy))).toEqual([1, 9, 1, 1])
    expect(seen[1]).toBe(1)
  })

  it('fails with the first failure in order, and leaves nothing under way when its reader stops', async () => {
    const failing = async (item: number) => {
      if (item === 2) throw new Error('two')
      return item
    }
    const seen: number[] = []
    const failed = async () => {
      for await (const item of inOrder(from([1, 2, 3]), { width: 3, weight: () => 0, most: 1 }, failing)) seen.push(item)
    }
    await expect(failed()).rejects.toThrow('two')
    expect(seen).toEqual([1])
    let ended = false
    const { state, start } = work()
    const early = inOrder(
      from([1, 2, 3], () => (ended = true)),
      { width: 2, weight: () => 0, most: 1 },
      start,
    )
    const first = early.next()
    await expect.poll(() => state.open.size).toBe(2)
    for (const end of state.open.values()) end()
    await first
    await early.return(undefined)
    expect([state.running, ended]).toEqual([0, true])
  })
})

describe('a bundle', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-bundle-'))
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))
  const write = async (messages: Buffer[]) => {
    const file = join(dir, 'bundle')
    await writeFile(file, Buffer.concat(messages.flatMap((one) => [Buffer.from(Writer.create().uint32(one.length).finish()), one])))
    return file
  }

  it('is read as it was written, whatever the sizes and wherever a chunk ends', async () => {
    const sizes = [0, 1, 127, 128, 16_384, 1_048_570, 1_048_576, 3_000_000, 5]
    const messages = sizes.map((size, index) => Buffer.alloc(size, index + 1))
    const read = await all(readBundle(await write(messages)))
    expect(read.map(({ length }) => length)).toEqual(sizes)
    expect(Buffer.concat(read).equals(Buffer.concat(messages))).toBe(true)
  })

  it('that is cut off, or is none, is no shorter bundle but damage', async () => {
    const file = await write([Buffer.from('whole')])
    await writeFile(file, Buffer.from([9, 1, 2]))
    await expect(all(readBundle(file))).rejects.toMatchObject({ code: 'INTEGRITY' })
    await writeFile(file, Buffer.alloc(20, 0xff))
    await expect(all(readBundle(file))).rejects.toMatchObject({ code: 'INTEGRITY' })
  })
})

describe('a history', () => {
  const { EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: started, EVENT_TYPE_TIMER_STARTED: timer } = EventType
  const problemOf = (...events: [id: number, type: number][]) =>
    examine(History.encode({ events: events.map(([id, eventType]) => ({ eventId: id as never, eventType })) }).finish()).problem

  it('is whole only with all its events, from its start on', () => {
    expect(problemOf([1, started], [2, timer], [3, timer])).toBeUndefined()
    expect(problemOf([1, started], [3, timer])).toBe('in the place of event 2 is event 3')
    expect(problemOf([2, started], [3, timer])).toBe('in the place of event 1 is event 2')
    expect(problemOf([1, timer])).toBe('it does not begin with its start')
    expect(problemOf()).toBe('it has no events')
    expect(examine(Buffer.from([0x0a, 0x7f, 1])).problem).toMatch(/cannot be decoded/)
  })

  it('says by its last event how the run ended', () => {
    expect(statusOf({ eventType: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT })).toBe('TimedOut')
    expect(statusOf({ eventType: timer })).toBe('Running')
  })
})
