/** What GNU tar said while it read a live tree: what became of single files, told from what went wrong. */
import { HoldfastError } from '../../core/errors.ts'
import type { ChainEnd } from '../../process/chain.ts'
import type { BytePath } from './names.ts'

export interface Heard {
  /** They changed while they were read: what is stored of them is of no one moment. */
  changed: BytePath[]
  /** There may be more: tar said more than was kept. */
  more: boolean
}

/** It calls itself as it was called. */
const CHANGED = /^\S*tar: (.*): (?:file changed as we read it|File shrank by \d+ bytes?; padding with zeros)$/s
/** Listed, and gone before it was read: the one who follows the archive sees which. */
const GONE = /: No such file or directory$|: File removed before we read it$/s
const CLOSING = /^\S*tar: Exiting with failure status due to previous errors$/
const DENIED = /^\S*tar: (.*): Cannot (?:open|read|stat|readlink|savedir): (.*)$/s

/** Throws where tar says anything else than that files changed or went away. */
export function heardFrom({ exitCode, stderr, truncated }: ChainEnd, root: string): Heard {
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('[truncated: '))
  // The first that was kept may be the end of one.
  const whole = truncated ? lines.slice(1) : lines
  const changed = new Set<BytePath>()
  for (const line of whole) {
    const file = CHANGED.exec(line)?.[1]
    if (file !== undefined) changed.add(unescaped(file))
    else if (!GONE.test(line) && !CLOSING.test(line)) throw failed(line, root)
  }
  // What was said before may have been something worse; 1 is what tar ends with where files changed only.
  if (exitCode === 2 && truncated) throw failed('tar: too many messages to tell what went wrong', root)
  return { changed: [...changed], more: truncated }
}

function failed(line: string, root: string): HoldfastError {
  const [, name, why] = DENIED.exec(line) ?? []
  if (name === undefined) return new HoldfastError('PROCESS_FAILED', `${root} was not archived: ${line}`, { object: root })
  return new HoldfastError('SOURCE_UNFIT', `${root}/${name} cannot be read: ${why}`, {
    object: `${root}/${name}`,
    next: `let the worker's user read it, or name it in exclude of the source`,
  })
}

const LETTERS: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '\\': '\\' }

/** `\n`, `\\` and `\377` as bytes again. */
function unescaped(name: string): BytePath {
  return name.replace(/\\(?:([0-7]{3})|(.))/g, (_, octal: string | undefined, letter: string) =>
    octal === undefined ? (LETTERS[letter] ?? letter) : String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
