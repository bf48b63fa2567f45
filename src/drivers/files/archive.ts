/**
 * A tree as one tar stream, with its index made of the very bytes that pass: what the index says of a file is what the
 * archive holds of it, whatever became of the live file meanwhile.
 */
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import { startChain } from '../../process/chain.ts'
import { type Entry, entryOf } from './entries.ts'
import { type BytePath, shown, toBytes } from './names.ts'
import { SecretScan } from './secrets.ts'
import { createCommand } from './tar-commands.ts'
import type { Member } from './tar-header.ts'
import { type Heard, heardFrom } from './tar-messages.ts'
import { type Fate, passTar } from './tar-reader.ts'
import type { Found } from './walk.ts'

/** A file up to this size is held back until all of it was looked at; a larger one passes while it is. */
export const HOLD_BYTES = 8 * 1024 * 1024

export interface Left {
  path: BytePath
  rule: string
  /** Part of it has passed already. */
  passed: boolean
}

export interface Archiving {
  root: string
  list: AsyncIterable<Found>
  signal?: AbortSignal
  /** Known to hold secrets, from a pass before. */
  leaveOut?: ReadonlySet<BytePath>
  /** Whether the contents of the file are looked at for secrets; none are by default. */
  scanned?(path: BytePath): boolean
  /** Each that the archive holds, in its order. Awaited. */
  onEntry(entry: Entry): void | Promise<void>
  onSecret?(found: Left): void
}

export interface Archived extends Heard {
  /** Listed, and not there any more when they were read. */
  vanished: BytePath[]
  vanishedCount: number
}

const NAMED = 20
/** So many names that were met are kept before they are let go together. */
const MANY = 4096

/** Yields the archive. What happened meanwhile is in `outcome` once it has ended. */
export async function* archive(archiving: Archiving, outcome: { archived?: Archived }): AsyncGenerator<Buffer> {
  const { root, signal } = archiving
  const expected = new Expected()
  let walkFailed: unknown
  const names = namesOf(archiving, expected, (error) => {
    walkFailed = error
  })
  const chain = startChain([createCommand(root)], {
    stdin: Readable.from(names, { objectMode: false }),
    // What 1 and 2 mean stands in what tar says.
    accept: [0, 1, 2],
    ...(signal && { signal }),
  })
  try {
    yield* passTar(chain.stdout as AsyncIterable<Buffer>, visitorOf(archiving, expected))
    await chain.done
    const [end] = chain.ended()
    const heard = end ? heardFrom(end, root) : { changed: [], more: false }
    expected.finish()
    outcome.archived = { ...heard, vanished: expected.vanished, vanishedCount: expected.vanishedCount }
  } catch (error) {
    await chain.stop()
    if (signal?.aborted) throw error
    if (walkFailed) throw walkFailed
    // Where tar gave up, what it said is why the archive ended.
    const [end] = chain.ended()
    if (end && end.exitCode !== null) heardFrom(end, root)
    throw error
  } finally {
    await chain.stop()
  }
}

async function* namesOf({ list, leaveOut }: Archiving, expected: Expected, onError: (error: unknown) => void): AsyncGenerator<Buffer> {
  const gathered: Buffer[] = []
  let bytes = 0
  try {
    for await (const { path } of list) {
      if (leaveOut?.has(path)) continue
      expected.add(path)
      const name = toBytes(`${path}\0`)
      gathered.push(name)
      bytes += name.length
      if (bytes < 4096) continue
      yield Buffer.concat(gathered.splice(0))
      bytes = 0
    }
  } catch (error) {
    onError(error)
    throw error
  }
  yield Buffer.concat(gathered)
}

/** What tar was told and has not given yet: it gives in that order, so what is passed over has vanished. */
class Expected {
  readonly vanished: BytePath[] = []
  vanishedCount = 0
  #paths: BytePath[] = []
  #at = 0

  add(path: BytePath): void {
    this.#paths.push(path)
  }

  meet(path: BytePath): void {
    for (; this.#at < this.#paths.length; this.#at += 1) {
      const next = this.#paths[this.#at] as BytePath
      if (next === path) {
        this.#at += 1
        if (this.#at >= MANY) this.#paths.splice(0, this.#at)
        this.#at %= MANY
        return
      }
      this.#miss(next)
    }
    throw new HoldfastError('UNEXPECTED', `tar archived ${shown(path)}, which it was not told to`, { object: shown(path) })
  }

  finish(): void {
    for (; this.#at < this.#paths.length; this.#at += 1) this.#miss(this.#paths[this.#at] as BytePath)
  }

  #miss(path: BytePath): void {
    this.vanishedCount += 1
    if (this.vanished.length < NAMED) this.vanished.push(path)
  }
}

function visitorOf({ scanned = () => false, onEntry, onSecret }: Archiving, expected: Expected) {
  /** Left out for what they hold: other names of them hold it too. */
  const dropped = new Map<BytePath, string>()
  let scan: SecretScan | undefined
  let fate: Fate = 'pass'
  const leave = (path: BytePath, rule: string, passed: boolean) => {
    dropped.set(path, rule)
    onSecret?.({ path, rule, passed })
  }
  return {
    begin(member: Member): Fate {
      expected.meet(member.path)
      const rule = member.type === 'hard link' ? dropped.get(member.target ?? '') : undefined
      if (rule !== undefined) leave(member.path, rule, false)
      scan = member.type === 'file' && member.storedSize > 0 && scanned(member.path) ? new SecretScan() : undefined
      fate = rule !== undefined ? 'drop' : scan && member.storedSize <= HOLD_BYTES ? 'hold' : 'pass'
      return fate
    },
    content: (bytes: Buffer) => scan?.add(bytes),
    async end(member: Member, digest: string | undefined): Promise<boolean> {
      if (fate === 'drop') return false
      if (scan?.found !== undefined) leave(member.path, scan.found, fate === 'pass')
      if (scan?.found !== undefined && fate === 'hold') return false
      await onEntry(entryOf(member, digest))
      return true
    },
  }
}
