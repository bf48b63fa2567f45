/** Nothing is replaced before somebody has named it by its fingerprint. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'

export interface Asked {
  fingerprint: string
  /** What has the fingerprint: `the live server x has`. */
  target: string
  /** What whoever confirms says with it: `this is the server to restore over`. */
  meaning: string
}

/** The refusal, with the command that is right; the run adds what else was chosen. */
export function confirmMismatch({ source, id }: Manifest, confirm: string, { fingerprint, target, meaning }: Asked): HoldfastError {
  const command = `holdfast restore ${source} ${id} --live --confirm ${shellWord(fingerprint)}`
  const confirmed = confirm ? `confirmed was ${confirm}` : 'nothing was confirmed'
  return new HoldfastError('CONFIRM_MISMATCH', `${target} the fingerprint ${fingerprint}; ${confirmed}`, {
    object: fingerprint,
    next: `if ${meaning}: ${command}`,
    details: { fingerprint },
  })
}

/** Throws CONFIRM_MISMATCH. */
export function requireConfirmed(manifest: Manifest, confirm: string, asked: Asked): void {
  if (confirm !== asked.fingerprint) throw confirmMismatch(manifest, confirm, asked)
}
