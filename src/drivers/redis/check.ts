/** The engine's own check of an RDB, and what it says of it. */
import { stat } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'

export interface RdbFacts {
  /** When the server began to write it, which is the moment that it holds. */
  at: Date
  bytes: number
  keys: number
  expires: number
  version: string
  /** Bytes of memory that the data took on the server. */
  usedMemory: number
  /** `off` where the server is configured to write none. */
  checksum: 'crc64' | 'off'
}

/** Throws INTEGRITY where the file is damaged, cut, or goes on after its end; VERSION_UNFIT where the program is too old for it. */
export async function checkRdb(program: string, file: string, signal?: AbortSignal): Promise<RdbFacts> {
  const { stdout, exitCode } = await run({ program, args: [file] }, { accept: [0, 1], signal })
  const tooNew = /Can't handle RDB format version (\d+)/.exec(stdout)
  if (tooNew)
    throw new HoldfastError('VERSION_UNFIT', `${program} is older than the server: it does not know RDB format ${tooNew[1]}`, {
      object: program,
      next: 'set programs.checkRdb to the redis-check-rdb of the version that the server has',
    })
  if (exitCode !== 0 || !/RDB looks OK/.test(stdout)) throw damaged(file, lastWords(stdout))
  const { size } = await stat(file)
  const end = Number(/\[offset (\d+)\] (?:Checksum OK|\\o\/ RDB looks OK)/.exec(stdout)?.[1])
  if (end !== size) throw damaged(file, `the data ends at ${end} and the file at ${size}`)
  return {
    at: new Date(Number(field(stdout, 'ctime')) * 1000),
    bytes: size,
    keys: Number(/\[info\] (\d+) keys read/.exec(stdout)?.[1]),
    expires: Number(/\[info\] (\d+) expires/.exec(stdout)?.[1]),
    version: field(stdout, 'redis-ver'),
    usedMemory: Number(field(stdout, 'used-mem')),
    checksum: /Checksum OK/.test(stdout) ? 'crc64' : 'off',
  }
}

const field = (text: string, name: string): string => new RegExp(`AUX FIELD ${name} = '([^']*)'`).exec(text)?.[1] ?? ''

const lastWords = (text: string): string =>
  text
    .split('\n')
    .filter((line) => /ERROR|offset|additional/.test(line))
    .slice(-4)
    .join(' ')

function damaged(file: string, why: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `the RDB ${file} is damaged: ${why}`, {
    object: file,
    next: 'look at the disk and the log of the server, and back up again',
    // Another save of the same data is another file.
    retryable: true,
  })
}
