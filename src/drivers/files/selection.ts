/** Which files of the root belong to the source: what is included, but for what is excluded, is a secret by its name, or has another age. */
import { seconds } from '../../core/duration.ts'
import type { FilesSourceConfig } from './config.ts'
import { asText, type BytePath } from './names.ts'
import { matchAbove, type Patterns, patternsOf } from './patterns.ts'
import type { MemberType } from './tar-header.ts'

export interface Selection {
  /** Undefined where everything is included. */
  include: Patterns | undefined
  /** Why the path is left out with all that is below it; undefined where it is not. */
  leftOut(path: BytePath, type: MemberType): 'excluded' | 'secret' | undefined
  /** Whether the contents of the file are looked at for secrets. */
  scanned(path: BytePath): boolean
  /** Modified between these moments, in nanoseconds since 1970. */
  age: { from?: bigint; to?: bigint } | undefined
}

/** What Holdfast itself puts into a root while it restores: never part of a source. */
const OWN = /^\.holdfast_(restore|pre_restore)_[^/]*(\/|$)/
export const ownName = (kind: 'restore' | 'pre_restore', rest: string): string => `.holdfast_${kind}_${rest}`

/** Everything of a tree: what a restored one is compared by. */
export const EVERYTHING: Selection = { include: undefined, leftOut: () => undefined, scanned: () => false, age: undefined }

type Config = Pick<FilesSourceConfig, 'include' | 'exclude' | 'secrets' | 'maxAge' | 'minAge'>

export function selectionOf({ include, exclude, secrets, maxAge, minAge }: Config, now = Date.now()): Selection {
  const wanted = include && patternsOf(include)
  const excluded = patternsOf(exclude)
  const secret = patternsOf(secrets.exclude)
  const allowed = patternsOf(secrets.allow)
  const before = (duration: string) => BigInt(now - 1000 * seconds(duration)) * 1_000_000n
  return {
    include: wanted,
    leftOut(path, type) {
      if (excluded.match(path) !== undefined || OWN.test(asText(path))) return 'excluded'
      // A folder may well be called .env: what is in it is looked at by its own names.
      if (type === 'folder' || secret.match(path) === undefined) return undefined
      return matchAbove(allowed, path) === undefined ? 'secret' : undefined
    },
    scanned: (path) => secrets.detect && matchAbove(allowed, path) === undefined,
    age:
      maxAge === undefined && minAge === undefined
        ? undefined
        : { ...(maxAge !== undefined && { from: before(maxAge) }), ...(minAge !== undefined && { to: before(minAge) }) },
  }
}
