import { describe, expect, it } from 'vitest'
import { until } from '../../../src/process/wait.ts'

describe('until', () => {
  it('gives what the check gave first that is neither undefined nor false', async () => {
    const answers = [undefined, false, 0]
    expect(await until(() => answers.shift(), { timeoutMs: 30_000, everyMs: 1, what: 'an answer' })).toBe(0)
  })

  it('says what it waited for when the time is over, also where the check hangs', async () => {
    const failure = { code: 'PROCESS_TIMEOUT', message: 'waited 0.05 s for a miracle' }
    await expect(until(() => false, { timeoutMs: 50, everyMs: 1, what: 'a miracle' })).rejects.toMatchObject(failure)
    await expect(until(() => new Promise<never>(() => {}), { timeoutMs: 50, what: 'a miracle' })).rejects.toMatchObject(failure)
  })

  it('ends with an error of the check, and with its signal', async () => {
    await expect(
      until(
        () => {
          throw new Error('broken')
        },
        { timeoutMs: 30_000, what: 'x' },
      ),
    ).rejects.toThrow('broken')
    const stop = new AbortController()
    const waiting = until(() => false, { timeoutMs: 30_000, what: 'x', signal: stop.signal })
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(until(() => true, { timeoutMs: 30_000, what: 'x', signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
  })
})
