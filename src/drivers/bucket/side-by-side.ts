/** Several streams that are in the order of their keys: what each of them has of a key, key by key, none of it held in memory. */
import { compareKeys } from './entries.ts'

interface Keyed {
  key: string
}
export type Row<T extends Record<string, Keyed>> = Keyed & Partial<T>

export async function* sideBySide<T extends Record<string, Keyed>>(
  streams: { [K in keyof T]: AsyncGenerator<T[K]> },
): AsyncGenerator<Row<T>> {
  const heads = new Map<keyof T, Keyed>()
  const advance = async (name: keyof T) => {
    const { done, value } = await streams[name].next()
    if (done) heads.delete(name)
    else heads.set(name, value)
  }
  try {
    for (const name of Object.keys(streams)) await advance(name)
    while (heads.size > 0) {
      const key = [...heads.values()].map((head) => head.key).reduce((first, other) => (compareKeys(other, first) < 0 ? other : first))
      const here = [...heads].filter(([, head]) => head.key === key)
      yield { ...Object.fromEntries(here), key } as Row<T>
      for (const [name] of here) await advance(name)
    }
  } finally {
    for (const stream of Object.values(streams)) await stream.return(undefined)
  }
}
