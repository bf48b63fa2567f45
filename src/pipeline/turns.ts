/** So many at once; the others wait for their turn, in the order in which they came. */
export interface Turns {
  /** Runs the body once there is room. An abort ends the waiting. */
  run<T>(body: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

export function createTurns(most: number): Turns {
  let running = 0
  const waiting: (() => void)[] = []
  const room = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(enter), 1)
        reject(signal?.reason)
      }
      waiting.push(enter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  return {
    async run(body, signal) {
      signal?.throwIfAborted()
      // Whoever leaves hands its place on: nobody who comes at that moment takes it.
      if (running < most) running += 1
      else await room(signal)
      try {
        return await body()
      } finally {
        const next = waiting.shift()
        if (next) next()
        else running -= 1
      }
    },
  }
}
