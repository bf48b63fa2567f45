/** Snapshot files: a header line with index, term and SHA-256, then every key with its value, a line each. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { replaceFile } from '../files.ts'
import type { Member } from './config.ts'

export interface Header {
  format: 'neumann-snapshot/1'
  index: number
  term: number
  /** Entries with data, from the first on: what `stats` calls total_entries. */
  entries: number
  /** Of the last entry that is in it. */
  time: string | null
  cluster: string
  members: Member[]
  sha256: string
}
export interface Snapshot {
  header: Header
  rows: Map<string, string>
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
export const snapshotsDir = (dir: string): string => join(dir, 'raft', 'snapshots')
export const nameOf = ({ index, term }: { index: number; term: number }): string =>
  `${String(index).padStart(20, '0')}-${String(term).padStart(10, '0')}.snap`

export function printSnapshot(header: Omit<Header, 'sha256' | 'format'>, rows: Map<string, string>): string {
  const body = [...rows].map((row) => `${JSON.stringify(row)}\n`).join('')
  return `${JSON.stringify({ format: 'neumann-snapshot/1', ...header, sha256: sha256(body) } satisfies Header)}\n${body}`
}

/** Throws where the checksum does not fit. */
export function parseSnapshot(text: string, name: string): Snapshot {
  const end = text.indexOf('\n') + 1
  const body = text.slice(end)
  const header = JSON.parse(text.slice(0, end) || '{}') as Header
  if (header.sha256 !== sha256(body)) throw new Error(`snapshot ${name}: checksum mismatch`)
  const rows = body.split('\n').slice(0, -1)
  return { header, rows: new Map(rows.map((row) => JSON.parse(row) as [string, string])) }
}

export function keepSnapshot(dir: string, text: string, place: { index: number; term: number }): string {
  const file = join(snapshotsDir(dir), nameOf(place))
  replaceFile(file, text)
  return file
}

/** Oldest first. */
export function snapshotFiles(dir: string): string[] {
  const folder = snapshotsDir(dir)
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.snap')) : []
  return names.sort().map((name) => join(folder, name))
}

export const readSnapshot = (file: string): Snapshot => parseSnapshot(readFileSync(file, 'utf8'), basename(file))

/** The newest one is the one that counts: where it is damaged nothing is taken in its place. */
export function newestSnapshot(dir: string): Snapshot | undefined {
  const file = snapshotFiles(dir).at(-1)
  return file === undefined ? undefined : readSnapshot(file)
}
