/** A difference in words, as a refusal and the command line show it. */
import type { Difference } from './driver.ts'

const SIGNS = { added: '+', changed: '~', removed: '-' } as const

export const changeLines = ({ changes }: Difference): string[] =>
  changes.map(({ change, name, why }) => `${SIGNS[change]} ${name}${why === undefined ? '' : `  (${why})`}`)
