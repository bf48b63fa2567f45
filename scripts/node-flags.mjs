/** The flags that a script wants its Node to have, as its first line says: `#!/usr/bin/env -S node --flag`. */
import { readFileSync } from 'node:fs'

/** @param {string} script its path @returns {string[]} */
export function flagsOf(script) {
  const [first = ''] = readFileSync(script, 'utf8').split('\n', 1)
  return /^#!\S+ -S node (.+)$/.exec(first)?.[1]?.split(' ') ?? []
}
