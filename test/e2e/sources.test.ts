/** Every kind of source through the real workflows: backed up, proved, lost, brought back, and its contents compared. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SAMPLES } from '../../scripts/sources/samples.ts'
import { tellStory } from '../../scripts/sources/story.ts'
import { openSourceStack, type SourceStack } from '../support/source-stack.ts'
import { STAND_INS } from '../support/sources/index.ts'

const KINDS = [
  ...Object.entries(SAMPLES).map(([name, open]) => ({ name, open, kind: name })),
  ...Object.entries(STAND_INS).map(([name, open]) => ({ name, open, kind: `${name}, on its stand-in,` })),
]

describe.each(KINDS)('a source of the kind $kind', { timeout: 600_000 }, ({ name, open }) => {
  let stack: SourceStack
  beforeAll(async () => {
    stack = await openSourceStack({ [name]: await open() })
  }, 300_000)
  afterAll(() => stack?.close())

  it('is back after its loss as it was at the moment of its proved backup, and nothing is left on it', async () => {
    const sample = stack.samples[name]
    if (!sample) throw new Error(`no sample ${name}`)
    expect(await tellStory(stack.run, name, sample)).toMatchObject({
      source: name,
      driver: sample.driver,
      proof: true,
      restoredEqual: true,
    })
    expect(await sample.leftovers()).toEqual([])
  })
})
