/** Programs that the configuration itself names: those of the user, whose versions Holdfast does not know how to ask for. */
import type { Config } from '../../config/schema.ts'

interface OwnProgram {
  program: string
  /** Where the configuration names it. */
  where: string
}

const COMMANDS = new Set([
  ...['start', 'stop', 'mask', 'unmask', 'isolate', 'readBack', 'release', 'running', 'run', 'check', 'command', 'provision', 'shell'],
  ...['capture', 'restore', 'verify', 'counts', 'fingerprint', 'destroy', 'openCheck'],
])

/** The first word of each command. Where that is filled in later, or is a question of an assertion, nothing can be said. */
export function ownPrograms(config: Config): OwnProgram[] {
  return named(config, []).filter(({ program }) => !program.includes('{'))
}

function named(value: unknown, at: string[]): OwnProgram[] {
  const where = at.join('.')
  const [key = '', above] = at.toReversed()
  if (typeof value === 'string') return above === 'programs' ? [{ program: value, where }] : []
  if (typeof value !== 'object' || value === null || key === 'assertions') return []
  const [program]: unknown[] = Array.isArray(value) && COMMANDS.has(key) ? value : []
  if (typeof program === 'string') return [{ program, where }]
  return Object.entries(value).flatMap(([inner, of]) => named(of, [...at, inner]))
}
