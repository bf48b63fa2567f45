/** Temporal's own download of its command line: for machines without a Go that can build it. */
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../../src/core/errors.ts'
import { run } from '../../src/process/run.ts'

const VERSION = 'v1.5.1'

/** Unpacks the program into the folder and gives its path. */
export async function downloadTemporal(folder: string, signal?: AbortSignal, origin = 'https://temporal.download'): Promise<string> {
  const url = `${origin}/cli/archive/${VERSION}?platform=${platform()}&arch=${arch() === 'x64' ? 'amd64' : arch()}`
  const answer = await fetch(url, { signal }).catch((cause: unknown) => refused(url, 'cannot be reached', cause))
  if (!answer.ok || !answer.body) return refused(url, `answers ${answer.status}`)
  await mkdir(folder, { recursive: true })
  const archive = join(folder, 'temporal.tar.gz')
  await pipeline(Readable.fromWeb(answer.body as ReadableStream), createWriteStream(archive), { signal })
  await run({ program: 'tar', args: ['-xzf', archive, '-C', folder, 'temporal'] }, { signal })
  return join(folder, 'temporal')
}

function refused(url: string, why: string, cause?: unknown): never {
  throw new HoldfastError('TOOL_MISSING', `temporal cannot be downloaded: ${url} ${why}`, {
    object: 'temporal',
    next: 'install Go 1.26 or later, or put the temporal command line on PATH',
    cause,
  })
}
