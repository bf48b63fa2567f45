/** Nothing is replaced before somebody has named it by its fingerprint. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../process/shell.ts'

export interface Asked {
  fingerprint: string
  /** What has the fingerprint: `the live server x has`. */
  target: string
  /** What whoever confirms says with it: `this is the server to restore over`. */
  meaning: string
  parts?: readonly string[] | undefined
  /** What else was chosen, as options of the command. */
  options?: readonly string[]
}

/** The refusal, with the command that is right. */
export function confirmMismatch(
  { source, id }: Manifest,
  confirm: string,
  { fingerprint, target, meaning, parts = [], options = [] }: Asked,
): HoldfastError {
  const words = ['holdfast', 'restore', source, id, '--live', '--confirm', shellWord(fingerprint)]
  for (const part of parts) words.push('--part', shellWord(part))
  words.push(...options)
  const confirmed = confirm ? `confirmed was ${confirm}` : 'nothing was confirmed'
  return new HoldfastError('CONFIRM_MISMATCH', `${target} the fingerprint ${fingerprint}; ${confirmed}`, {
    object: fingerprint,
    next: `if ${meaning}: ${words.join(' ')}`,
    details: { fingerprint },
  })
}

/** Throws CONFIRM_MISMATCH. */
export function requireConfirmed(manifest: Manifest, confirm: string, asked: Asked): void {
  if (confirm !== asked.fingerprint) throw confirmMismatch(manifest, confirm, asked)
}
