/** Several repositories asked for the same. */
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../../src/core/errors.ts'
import { AT_FAULT, firstOf } from '../../../src/core/places.ts'

const away = new HoldfastError('STORE_UNREACHABLE', 'it is away')
const stopped = new HoldfastError('CANCELLED', 'it was stopped')
const ask = async (answers: Record<string, string | undefined | Error>) => {
  const asked: string[] = []
  const look = async (place: string) => {
    asked.push(place)
    const answer = answers[place]
    if (answer instanceof Error) throw answer
    return answer
  }
  return { ...(await firstOf(Object.keys(answers), look, ({ code }) => AT_FAULT.includes(code))), asked }
}

describe('of several repositories', () => {
  it('the first that gives it is taken, and no other is asked', async () => {
    expect(await ask({ hot: 'own', dr: 'copy' })).toEqual({ given: 'own', failures: [], asked: ['hot'] })
    expect(await ask({ hot: away, dr: undefined, offsite: 'copy' })).toEqual({
      given: 'copy',
      failures: [{ place: 'hot', error: away }],
      asked: ['hot', 'dr', 'offsite'],
    })
  })

  it('each says what was wrong with it, where none gives it', async () => {
    expect(await ask({ hot: away, dr: away })).toMatchObject({ given: undefined, failures: [{ place: 'hot' }, { place: 'dr' }] })
  })

  it('the next is not asked for what no other can mend', async () => {
    await expect(ask({ hot: stopped, dr: 'copy' })).rejects.toBe(stopped)
    await expect(ask({ hot: new TypeError('a mistake'), dr: 'copy' })).rejects.toThrow(TypeError)
  })
})
