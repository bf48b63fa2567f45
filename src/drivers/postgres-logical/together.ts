/** Work that succeeds or fails as one. */

type Results<T extends readonly (() => Promise<unknown>)[]> = { [K in keyof T]: T[K] extends () => Promise<infer R> ? R : never }

/** Runs all at once; when one fails, `stop` is called and the others are awaited before its error is thrown. */
export async function together<const T extends readonly (() => Promise<unknown>)[]>(
  tasks: T,
  stop: () => Promise<void>,
): Promise<Results<T>> {
  let failure: { error: unknown } | undefined
  const settled = await Promise.all(
    tasks.map(async (task) => {
      try {
        return await task()
      } catch (error) {
        if (!failure) {
          failure = { error }
          await stop()
        }
        return undefined
      }
    }),
  )
  if (failure) throw failure.error
  return settled as Results<T>
}
