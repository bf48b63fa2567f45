/** Two trees side by side, each in the order of a walk: what only one of them has, and what differs. Constant memory. */
import type { Entry } from './entries.ts'
import { compareInWalk } from './names.ts'

export interface Pair {
  /** What should be. */
  wanted?: Entry
  /** What is. */
  there?: Entry
}

export async function* sideBySide(wanted: AsyncIterable<Entry>, there: AsyncIterable<Entry>): AsyncGenerator<Pair> {
  const [left, right] = [wanted[Symbol.asyncIterator](), there[Symbol.asyncIterator]()]
  const next = async (from: AsyncIterator<Entry>) => {
    const { done, value } = await from.next()
    return done ? undefined : (value as Entry)
  }
  try {
    let [a, b] = [await next(left), await next(right)]
    while (a || b) {
      const order = a && b ? compareInWalk(a.path, b.path) : a ? -1 : 1
      yield { ...(order <= 0 && a && { wanted: a }), ...(order >= 0 && b && { there: b }) }
      if (order <= 0) a = await next(left)
      if (order >= 0) b = await next(right)
    }
  } finally {
    await left.return?.()
    await right.return?.()
  }
}
