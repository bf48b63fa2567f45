/** Which keys are meant: by themselves, by a prefix that ends in "/", or by a glob. */
import picomatch from 'picomatch'
import { HoldfastError } from '../../core/errors.ts'
import type { BucketSourceConfig } from './config.ts'

// Keys may have lines and leading dots.
const OPTIONS = { dot: true, flags: 's', nonegate: true } as const

export type Takes = (key: string) => boolean

function compile(text: string): Takes {
  if (text.endsWith('/')) return (key) => key.startsWith(text)
  const fits = picomatch(text, OPTIONS)
  return (key) => key === text || fits(key)
}

export function selectionOf({ include, exclude }: Pick<BucketSourceConfig, 'include' | 'exclude'>): Takes {
  const [taken, left] = [include.map(compile), exclude.map(compile)]
  return (key) => (taken.length === 0 || taken.some((fits) => fits(key))) && !left.some((fits) => fits(key))
}

/** What the source selects, and of that what the parts mean. */
export function takesOf(config: BucketSourceConfig, parts: readonly string[] | undefined): Takes {
  const [selected, picks] = [selectionOf(config), picksOf(parts)]
  return (key) => selected(key) && picks.takes(key)
}

export interface Picks {
  takes: Takes
  whole: boolean
  /** Throws NOT_FOUND where something that was asked for was not met. */
  requireAll(): void
}

export function picksOf(parts: readonly string[] | undefined): Picks {
  if (parts === undefined) return { takes: () => true, whole: true, requireAll: () => {} }
  const wanted = parts.map((text) => ({ text, fits: compile(text), met: false }))
  return {
    whole: false,
    takes(key) {
      const fitting = wanted.filter(({ fits }) => fits(key))
      for (const one of fitting) one.met = true
      return fitting.length > 0
    },
    requireAll() {
      const missing = wanted.filter(({ met }) => !met).map(({ text }) => text)
      if (missing.length === 0) return
      throw new HoldfastError('NOT_FOUND', `there is no key that ${missing.join(', ')} means`, {
        object: missing[0],
        next: 'give whole keys, prefixes that end in "/", or globs like photos/**/*.jpg',
      })
    },
  }
}
