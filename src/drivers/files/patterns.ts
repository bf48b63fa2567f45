/**
 * Globs as people know them from .gitignore: without a slash a pattern is the name of something at any depth, with one
 * it is a path from the root. What matches a folder holds for all that is in it.
 */
import picomatch from 'picomatch'
import { asText, type BytePath, parentOf } from './names.ts'

export interface Patterns {
  readonly texts: readonly string[]
  /** The first pattern that the path itself matches. */
  match(path: BytePath): string | undefined
  /** Whether something below the folder could match that is not matched by a folder above it. */
  reaches(folder: BytePath): boolean
}

// Names may have lines: to `**` they would end at the first.
const OPTIONS = { dot: true, flags: 's', nonegate: true } as const

export function patternsOf(texts: readonly string[]): Patterns {
  const each = texts.map(compile)
  return {
    texts,
    match(path) {
      const text = asText(path)
      const name = text.slice(text.lastIndexOf('/') + 1)
      return each.find(({ anchored, fits }) => fits(anchored ? text : name))?.text
    },
    reaches(folder) {
      const text = asText(folder)
      return each.some(({ anchored, base }) => !anchored || folder === '.' || within(text, base) || within(base, text))
    },
  }
}

/** The first pattern that the path matches, or a folder above it. */
export function matchAbove(patterns: Patterns, path: BytePath): string | undefined {
  for (let at = path; at !== '.'; at = parentOf(at)) {
    const found = patterns.match(at)
    if (found !== undefined) return found
  }
  return undefined
}

function compile(text: string): { text: string; anchored: boolean; base: string; fits(path: string): boolean } {
  const pattern = text.replace(/^\.?\/+/, '').replace(/\/+$/, '')
  const anchored = /^\.?\//.test(text) || pattern.includes('/')
  return { text, anchored, base: anchored ? picomatch.scan(pattern).base : '', fits: picomatch(pattern, OPTIONS) }
}

const within = (path: string, folder: string): boolean => folder === '' || path === folder || path.startsWith(`${folder}/`)
