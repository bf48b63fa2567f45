/** Durations and sizes as the configuration writes them. */
import { HoldfastError } from './errors.ts'

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `15m` is 900. */
export function seconds(duration: string): number {
  const found = /^(\d+)([smhd])$/.exec(duration)
  if (!found)
    throw new HoldfastError('CONFIG_INVALID', `"${duration}" is no duration: a number and s, m, h or d, like 15m`, { object: duration })
  return Number(found[1]) * (SECONDS[found[2] ?? ''] ?? 1)
}

// As PostgreSQL counts: 16MB is the size of a segment of its write-ahead log.
const BYTES: Record<string, number> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 }

/** `16MB` is 16 777 216. */
export function bytesOf(size: string): number {
  const found = /^(\d+)(B|kB|MB|GB|TB)$/.exec(size)
  if (!found)
    throw new HoldfastError('CONFIG_INVALID', `"${size}" is no size: a number and B, kB, MB, GB or TB, like 16MB`, { object: size })
  return Number(found[1]) * (BYTES[found[2] ?? ''] ?? 1)
}

/** The other way round, with one digit after the point: 16 777 216 is `16MB`. */
export function sizeText(bytes: number): string {
  const [unit, size] = Object.entries(BYTES).findLast(([, size]) => bytes >= size) ?? ['B', 1]
  return `${Number((bytes / size).toFixed(1))}${unit}`
}
