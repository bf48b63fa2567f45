/** Errors of the file system, as errors of a store. */
import { ERRORS, type ErrorCode, HoldfastError, messageOf } from '../core/errors.ts'

const CODES: Record<string, ErrorCode> = {
  EACCES: 'STORE_DENIED',
  EPERM: 'STORE_DENIED',
  EROFS: 'STORE_DENIED',
  ENOSPC: 'SPACE_SHORT',
  EDQUOT: 'SPACE_SHORT',
  ENOENT: 'NOT_FOUND',
  // A name that is a file here and a folder there.
  ENOTDIR: 'STORE_CONFLICT',
  EISDIR: 'STORE_CONFLICT',
  EEXIST: 'STORE_CONFLICT',
  ENOTSUP: 'STORE_UNSUPPORTED',
  EMLINK: 'STORE_UNSUPPORTED',
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** The error with the code that the layers above know; anything of Holdfast's own is given back as it is. */
export function folderProblem(error: unknown, action: string, object: string, next?: string): unknown {
  if (error instanceof HoldfastError || (error instanceof Error && error.name === 'AbortError')) return error
  const found = Object.keys(CODES).find((name) => hasCode(error, name))
  const code = found ? (CODES[found] as ErrorCode) : 'STORE_UNREACHABLE'
  return new HoldfastError(code, `the folder store could not ${action} ${object}: ${messageOf(error)}`, {
    object,
    cause: error,
    next: next ?? ERRORS[code].next,
  })
}
