/** Stores that hold copies of the same objects, read as one: each object is taken from the first that has it. */
import { HoldfastError } from '../core/errors.ts'
import type { ObjectInfo, Reader } from './store.ts'

export function readTogether(stores: readonly Reader[]): Reader {
  return {
    async *list(prefix) {
      const found = new Map<string, ObjectInfo>()
      for (const store of stores) for await (const info of store.list(prefix)) if (!found.has(info.key)) found.set(info.key, info)
      yield* [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    },
    async head(key) {
      for (const store of stores) {
        const info = await store.head(key)
        if (info) return info
      }
      return undefined
    },
    async get(key, options) {
      let none: unknown
      for (const store of stores) {
        try {
          return await store.get(key, options)
        } catch (error) {
          if (!(error instanceof HoldfastError) || error.code !== 'NOT_FOUND') throw error
          none ??= error
        }
      }
      throw none
    },
  }
}
