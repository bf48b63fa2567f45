/** A damaged file of an archive is read where it is whole; all other trouble is what it is. */
import { expect, it } from 'vitest'
import { HoldfastError } from '../../../src/core/errors.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { readWhole } from '../../../src/wal/elsewhere.ts'
import type { FetchingArchive } from '../../../src/wal/fetch.ts'
import { verifier } from '../../support/catalog.ts'

const place = (copyIn?: string): FetchingArchive => ({
  archive: 'shop',
  store: createMemoryStore(),
  verifier,
  identityFile: undefined,
  ...(copyIn !== undefined && { copyIn }),
})
const own = { ...place(), places: async () => [place(), place('away'), place('empty'), place('dr')] }
const damaged = new HoldfastError('INTEGRITY', 'one is damaged')
const reading =
  (what: Record<string, string | undefined | Error>) =>
  async ({ copyIn = 'own' }: FetchingArchive) => {
    const found = what[copyIn]
    if (found instanceof Error) throw found
    return found
  }

it('the first place is enough where it gives the file, or says that it has none', async () => {
  expect(await readWhole(own, reading({ own: 'whole' }))).toEqual({ found: 'whole' })
  expect(await readWhole(own, reading({ dr: 'whole' }))).toEqual({ found: undefined })
})

it('what is damaged there comes from the first place that has it, whatever is wrong with those before', async () => {
  const away = new HoldfastError('STORE_UNREACHABLE', 'no answer')
  const { found, instead } = await readWhole(own, reading({ own: damaged, away, dr: 'whole' }))
  expect(found).toBe('whole')
  expect(instead).toMatchObject({ place: { copyIn: 'dr' }, why: 'one is damaged' })
})

it('where no place gives it, the error is that of the first; where there is no other, none is asked', async () => {
  const other = new HoldfastError('INTEGRITY', 'another is damaged')
  await expect(readWhole(own, reading({ own: damaged, dr: other }))).rejects.toBe(damaged)
  await expect(readWhole(place(), reading({ own: damaged, dr: 'whole' }))).rejects.toBe(damaged)
})

it('a wrong key, a stop and a store that is away are no damage', async () => {
  for (const code of ['KEY_WRONG', 'CANCELLED', 'STORE_UNREACHABLE'] as const) {
    const error = new HoldfastError(code, 'trouble')
    await expect(readWhole(own, reading({ own: error, dr: 'whole' }))).rejects.toBe(error)
    if (code === 'CANCELLED') await expect(readWhole(own, reading({ own: damaged, away: error, dr: 'whole' }))).rejects.toBe(error)
  }
})
