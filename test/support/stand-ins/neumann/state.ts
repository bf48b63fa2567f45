/** What a node must not forget: its cluster, its term, its vote, whether writes are paused. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Member } from './config.ts'

export interface State {
  /** Null until the node is initialized or taken in by a leader. */
  cluster: string | null
  members: Member[]
  term: number
  votedFor: number | null
  paused: boolean
  /** Through which entry the archive has all segments. */
  archived: number
}

const fileOf = (dir: string) => join(dir, 'raft', 'state.json')

export function readState(dir: string): State | undefined {
  return existsSync(fileOf(dir)) ? (JSON.parse(readFileSync(fileOf(dir), 'utf8')) as State) : undefined
}

export function writeState(dir: string, state: State): void {
  replaceFile(fileOf(dir), JSON.stringify(state))
}

/** Whole or not at all. */
export function replaceFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.tmp`, text)
  renameSync(`${file}.tmp`, file)
}
