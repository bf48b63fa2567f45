import { expect, it } from 'vitest'
import { createTurns } from '../../../src/pipeline/turns.ts'

function gated() {
  const gate = Promise.withResolvers<void>()
  const body = (did: string[], name: string) => async () => {
    did.push(name)
    await gate.promise
  }
  return { ...gate, body }
}

it('no more run at once than may, and the others come in their order', async () => {
  const turns = createTurns(2)
  const did: string[] = []
  const gates = [gated(), gated(), gated(), gated()]
  const runs = gates.map((gate, index) => turns.run(gate.body(did, String(index))))
  await Promise.resolve()
  expect(did).toEqual(['0', '1'])
  gates[1]?.resolve()
  await runs[1]
  expect(did).toEqual(['0', '1', '2'])
  gates[0]?.reject(new Error('broken'))
  await expect(runs[0]).rejects.toThrow('broken')
  expect(did).toEqual(['0', '1', '2', '3'])
  for (const gate of gates) gate.resolve()
  await Promise.allSettled(runs)
  const again: string[] = []
  await turns.run(async () => again.push('free'))
  expect(again).toEqual(['free'])
})

it("who is stopped while waiting never runs, and takes nobody else's place", async () => {
  const turns = createTurns(1)
  const did: string[] = []
  const [first, last] = [gated(), gated()]
  const running = turns.run(first.body(did, 'first'))
  const stop = new AbortController()
  const stopped = turns.run(async () => did.push('stopped'), stop.signal)
  const waiting = turns.run(last.body(did, 'last'))
  stop.abort(new Error('stopped by hand'))
  await expect(stopped).rejects.toThrow('stopped by hand')
  first.resolve()
  await running
  last.resolve()
  await waiting
  expect(did).toEqual(['first', 'last'])
})
