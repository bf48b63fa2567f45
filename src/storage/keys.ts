/** What every store accepts as a key: plain enough to be an object's name, a file's path and a line of a listing. */
import { HoldfastError } from '../core/errors.ts'

const MAX_KEY = 900
const MAX_SEGMENT = 250

/** Throws INPUT_INVALID for a key that one of the stores could not keep, or that would leave the repository's root. */
export function checkKey(key: string): void {
  const problem = problemOf(key)
  if (problem)
    throw new HoldfastError('INPUT_INVALID', `the object key ${JSON.stringify(key)} ${problem}`, {
      object: key,
      next: 'use letters, digits, ".", "_", "-" and single "/"',
    })
}

function problemOf(key: string): string | undefined {
  if (key === '' || key.length > MAX_KEY) return `has ${key.length} characters; 1 to ${MAX_KEY} are possible`
  if (!/^[\x20-\x7e]+$/.test(key) || key.includes('\\')) return 'has characters other than printable ASCII'
  const segments = key.split('/')
  if (segments.some((segment) => segment === '')) return 'has an empty segment'
  if (segments.some((segment) => segment.startsWith('.'))) return 'has a segment that begins with "."'
  if (segments.some((segment) => segment.length > MAX_SEGMENT)) return `has a segment of more than ${MAX_SEGMENT} characters`
  return undefined
}

/** Orders keys as S3 lists them: by bytes. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
