/** Puts what zod found into words of an operator: what is wrong there and what would be right. */
import type { z } from 'zod'
import type { Path, Problem } from './problem.ts'
import { configSchema } from './schema.ts'
import { isObject, keysAt, shapesAt } from './shape.ts'
import { didYouMean } from './suggest.ts'

type Issue = z.core.$ZodIssue

/** The problems that an issue stands for; one for each unknown key. */
export function explain(issue: Issue, value: unknown): Problem[] {
  const path = issue.path as Path
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, keysAt(path, value)) }))
    case 'invalid_key':
      return [
        {
          path,
          message:
            keysAt(path.slice(0, -1), value).length > 0
              ? unknownKey(String(path.at(-1)), keysAt(path.slice(0, -1), value))
              : issue.issues.map(({ message }) => message).join('; '),
        },
      ]
    case 'invalid_type':
      return [
        {
          path,
          message:
            valueAt(value, path) === undefined
              ? missing(path, value, issue.expected)
              : issue.expected === 'string'
                ? notText(path, value)
                : `must be ${aKindOf(issue.expected)}`,
        },
      ]
    case 'invalid_value':
      return [{ path, message: oneOf(issue.values.map(String), valueAt(value, path)) }]
    case 'invalid_union':
      return [{ path, message: union(issue, path, value) }]
    default:
      return [{ path, message: issue.message }]
  }
}

function unknownKey(key: string, known: string[]): string {
  return `unknown key;${didYouMean(key, known) || ` known here: ${known.join(', ')}`}`
}

/** `25` is no duration in quotes either: what the text would have to look like is said at once. */
function notText(path: Path, value: unknown): string {
  const asText = structuredClone(value)
  const holder = valueAt(asText, path.slice(0, -1)) as Record<string | number, unknown>
  holder[path.at(-1) ?? ''] = String(valueAt(value, path))
  const issues = configSchema.safeParse(asText).error?.issues ?? []
  return issues.find((issue) => isSame(issue.path as Path, path))?.message ?? 'must be a text; put it in quotes'
}

const isSame = (one: Path, other: Path) => one.length === other.length && one.every((word, index) => word === other[index])

function missing(path: Path, value: unknown, expected: string): string {
  const says = shapesAt(path, value)[0]?.description
  return `is missing: ${says ?? aKindOf(expected)}`
}

function oneOf(words: string[], given: unknown): string {
  if (given === undefined) return `is missing: one of ${words.join(', ')}`
  const nearest = typeof given === 'string' ? didYouMean(given, words) : ''
  return `must be ${words.length > 1 ? 'one of ' : ''}${words.join(', ')}${nearest && `;${nearest}`}`
}

function union(issue: Extract<Issue, { code: 'invalid_union' }>, path: Path, value: unknown): string {
  if ('options' in issue && Array.isArray(issue.options)) return oneOf(issue.options.map(String), valueAt(value, path))
  const shapes = shapesAt(path, value).map(
    (shape) =>
      `{ ${Object.keys(shape.properties ?? {})
        .map((key) => (shape.required?.includes(key) ? key : `${key}?`))
        .join(', ')} }`,
  )
  return `must be ${shapes.join(' or ')}`
}

function aKindOf(expected: string): string {
  const words: Record<string, string> = {
    object: 'a mapping of keys to values',
    record: 'a mapping of names to values',
    array: 'a list',
    int: 'a whole number',
    string: 'a text',
  }
  return words[expected] ?? `a ${expected}`
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (here, word) => (isObject(here) || Array.isArray(here) ? (here as Record<string | number, unknown>)[word] : undefined),
    value,
  )
}
