/** A few things at once; the first that fails is what the next call, or the end, throws. */

export interface Pool {
  /** Resolves when it has begun. */
  run(work: () => Promise<void>): Promise<void>
  /** Resolves when all of it has ended. */
  end(): Promise<void>
}

export function createPool(width: number): Pool {
  const pending = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  const check = () => {
    if (failure) throw failure.error
  }
  return {
    async run(work) {
      while (pending.size >= width) await Promise.race(pending)
      check()
      const one: Promise<void> = work()
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => pending.delete(one))
      pending.add(one)
    },
    async end() {
      await Promise.all(pending)
      check()
    },
  }
}
