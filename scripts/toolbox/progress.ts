/** Progress lines for whoever waits. */
import type { Progress } from './ensure.ts'

const EVERY_MS = 10_000

/** Does the work, with a line when it begins, one for every ten seconds of it, and one when it ended. */
export async function whileTelling<T>(progress: Progress, what: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  progress(`${what} …`)
  const ticker = setInterval(() => progress(`${what}: ${seconds()} s`), EVERY_MS)
  try {
    const result = await work()
    progress(`${what}: done in ${seconds()} s`)
    return result
  } finally {
    clearInterval(ticker)
  }
}
