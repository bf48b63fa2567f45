/** What a node must not forget: its cluster, its term, its vote, whether writes are paused. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../files.ts'
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
