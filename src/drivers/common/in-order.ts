/** Work on several things at once whose results come in the order of the things. */

export interface InOrder<T> {
  width: number
  /** Together they weigh no more than `most`, but for one that does by itself. */
  weight(item: T): number
  most: number
}

/** Ends with nothing of it under way, also where its reader stops early. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  { width, weight, most }: InOrder<T>,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const pending: { result: Promise<R>; weight: number }[] = []
  const weighing = () => pending.reduce((sum, one) => sum + one.weight, 0)
  async function* first(): AsyncGenerator<R> {
    // It stays among the pending ones until it is there: so the end waits for it.
    const result = await pending[0]?.result
    pending.shift()
    yield result as R
  }
  try {
    for await (const item of items) {
      const own = weight(item)
      while (pending.length > 0 && (pending.length >= width || weighing() + own > most)) yield* first()
      const result = work(item)
      // Whoever takes it hears of its failure; until then nobody does.
      result.catch(() => {})
      pending.push({ result, weight: own })
    }
    while (pending.length > 0) yield* first()
  } finally {
    await Promise.allSettled(pending.map(({ result }) => result))
  }
}
