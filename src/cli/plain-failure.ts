/** An error of Holdfast's own as what the user sees: code, message, object, next step, exit code. */
import { ERRORS, type ErrorCode, type HoldfastError } from '../core/errors.ts'

export interface Failure {
  code: string
  message: string
  next: string
  /** What it is about, or null. */
  object: string | null
  exitCode: number
}

export function plainFailure(
  code: ErrorCode,
  message: string,
  { object, next }: { object?: string | undefined; next?: string | undefined } = {},
): Failure {
  const { exitCode, next: usual } = ERRORS[code]
  return { code, message, next: next ?? usual, object: object ?? null, exitCode }
}

export const failureOfError = (error: HoldfastError): Failure => plainFailure(error.code, error.message, error)
