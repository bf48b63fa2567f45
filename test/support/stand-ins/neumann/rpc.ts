/** What nodes say to each other, over HTTP. */
import type { Member } from './config.ts'
import type { Entry, Place } from './entry.ts'

export interface Append {
  cluster: string
  members: Member[]
  term: number
  leader: number
  previous: Place
  entries: Entry[]
  commit: number
  paused: boolean
  /** Through which entry segments are in the archive: nobody needs to keep those. */
  archived: number
}
export interface Appended {
  term: number
  ok: boolean
  last: number
}
export interface Vote {
  cluster: string
  term: number
  candidate: number
  last: Place
}
export interface Voted {
  term: number
  granted: boolean
}
export interface Standing {
  id: number
  cluster: string | null
  last: Place
  /** Of this node's own knowledge, and only where it was heard lately. */
  leader: number | null
}

/** Undefined where the node does not answer, or refuses. */
export async function ask<T>(member: Member, path: string, body?: unknown, timeoutMs = 1000): Promise<T | undefined> {
  try {
    const init = body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }
    const reply = await fetch(`http://${member.addr}${path}`, { ...init, signal: AbortSignal.timeout(timeoutMs) })
    const text = await reply.text()
    return reply.ok ? (JSON.parse(text) as T) : undefined
  } catch {
    return undefined
  }
}

/** The higher term wins, then the longer log, as Raft has it. */
export function compareLogs(a: Place, b: Place): number {
  return a.term - b.term || a.index - b.index
}
