/** One entry of the replicated log, and its line in a file: a CRC of what follows, then JSON. */
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { crc32 } from 'node:zlib'

export interface Entry {
  index: number
  term: number
  /** The leader's clock; grows with every entry, so that each moment is before or after it. */
  time: string
  /** Absent in the entry that a new leader begins its term with. */
  key?: string
  /** Null deletes the key. */
  value?: string | null
}
export interface Place {
  index: number
  term: number
}

const sum = (json: string) => crc32(json).toString(16).padStart(8, '0')

export function encode(record: unknown): string {
  const json = JSON.stringify(record)
  return `${sum(json)} ${json}\n`
}

/**
 * The records of a file. A last line that is not whole is what a killed process left: it is passed over where `torn` is
 * allowed. Any other damage throws.
 */
export function readRecords<T>(file: string, { torn = false } = {}): T[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : ['']
  const rest = lines.pop()
  const damaged = (line: number) => new Error(`${basename(file)}: CRC mismatch in line ${line}`)
  if (rest && !torn) throw damaged(lines.length + 1)
  return lines.flatMap((line, at) => {
    const json = line.slice(9)
    if (line.slice(0, 8) === sum(json)) return [JSON.parse(json) as T]
    if (torn && !rest && at === lines.length - 1) return []
    throw damaged(at + 1)
  })
}
