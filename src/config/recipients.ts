/** For whom everything that is stored from now on is encrypted: the recipients, and the one whose key is kept in a safe. */
import type { Config } from './schema.ts'

export function recipientsOf({ recipients, breakGlass }: Pick<Config['encryption'], 'recipients' | 'breakGlass'>): string[] {
  return [...new Set(breakGlass === undefined ? recipients : [...recipients, breakGlass])]
}
