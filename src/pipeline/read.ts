/** The way out of the repository: download, digest, age, zstd, and what the bytes are for, chained by the kernel. */
import { constants } from 'node:fs'
import { access, rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { Artifact } from '../core/records.ts'
import type { ArtifactSource } from '../drivers/driver.ts'
import { type Chain, startChain } from '../process/chain.ts'
import type { Command } from '../process/command.ts'
import type { Reader } from '../storage/store.ts'
import { type Download, download, requireStored } from './download.ts'
import { type HeadersOf, underOpeningHeader, WRONG_KEY } from './under-header.ts'

export interface SourceOptions {
  store: Reader
  /** age identity; needed for artifacts that are encrypted. */
  identityFile?: string | undefined
  /** Where points may have been made readable for other keys than they were stored for. */
  headersOf?: HeadersOf | undefined
  signal?: AbortSignal
  onBytes?(bytes: number): void
  /** How often a broken download goes on before the error is final. */
  resumes?: number
}

export function createSource(options: SourceOptions): ArtifactSource {
  return {
    async feed(artifact, into) {
      await feedInto(options, artifact, [into])
    },
    async toFile(artifact, path) {
      // The name is given to a whole file only.
      const partial = `${path}.partial`
      try {
        await feedInto(options, artifact, [{ program: 'dd', args: [`of=${partial}`, 'bs=1M', 'iflag=fullblock', 'status=none'] }])
        await rename(partial, path)
      } finally {
        await rm(partial, { force: true })
      }
    },
    async read(artifact) {
      const opened = await open(options, artifact, [])
      return Readable.from(plain(options, artifact, opened), { objectMode: false })
    },
  }
}

/** Runs the plain bytes through the commands; gives what the last one printed. Every failure has its cause as its code. */
export async function feedInto(options: SourceOptions, artifact: Artifact, into: Command[]): Promise<string> {
  const opened = await open(options, artifact, into)
  const printed: Buffer[] = []
  for await (const chunk of plain(options, artifact, opened)) if (printed.length < 64) printed.push(chunk)
  return Buffer.concat(printed).toString('utf8')
}

interface Opened {
  source: Download
  chain: Chain | undefined
}

async function open(options: SourceOptions, artifact: Artifact, into: Command[]): Promise<Opened> {
  const stages = [...(await unpacking(options, artifact)), ...into]
  await requireStored(options.store, artifact)
  const signal = options.signal ? { signal: options.signal } : {}
  const source = download(options.store, artifact, options)
  if (stages.length === 0) return { source, chain: undefined }
  try {
    return { source, chain: startChain(stages, { stdin: await encrypted(options, artifact, source.stream), ...signal }) }
  } catch (error) {
    source.stream.destroy()
    throw error
  }
}

/** What age is given. */
async function encrypted({ identityFile, headersOf, signal }: SourceOptions, artifact: Artifact, stream: Readable): Promise<Readable> {
  if (artifact.encryption === 'none' || !identityFile || !headersOf) return stream
  return underOpeningHeader(stream, await headersOf(artifact), { identityFile, ...(signal && { signal }) })
}

async function* plain(options: SourceOptions, artifact: Artifact, { source, chain }: Opened): AsyncGenerator<Buffer> {
  try {
    yield* (chain?.stdout ?? source.stream) as AsyncIterable<Buffer>
    await chain?.done
  } catch (error) {
    throw await explained(options, artifact, source, error)
  } finally {
    source.stream.destroy()
    await chain?.stop()
  }
}

async function unpacking({ identityFile }: SourceOptions, artifact: Artifact): Promise<Command[]> {
  const zstd: Command[] = artifact.compression === 'zstd' ? [{ program: 'zstd', args: ['-q', '-d', '-c'] }] : []
  if (artifact.encryption === 'none') return zstd
  if (!identityFile)
    throw new HoldfastError('KEY_MISSING', `${artifact.key} is encrypted and no age identity is configured`, { object: artifact.key })
  await access(identityFile, constants.R_OK).catch((error: unknown) => {
    throw new HoldfastError('KEY_MISSING', `the age identity ${identityFile} cannot be read: ${messageOf(error)}`, {
      object: identityFile,
      cause: error,
    })
  })
  return [{ program: 'age', args: ['-d', '-i', identityFile] }, ...zstd]
}

/** A second look at damage costs a second download: only where it is soon done. */
const SOON_READ = 256 * 1024 * 1024

/** The error of a chain, said by its cause: damage first, because damage also looks like a wrong key or a bad dump. */
async function explained(options: SourceOptions, artifact: Artifact, source: Download, error: unknown): Promise<unknown> {
  if (source.problem()) return source.problem()
  if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') return error
  if (error.cause instanceof HoldfastError) return error.cause
  const damage = artifact.storedBytes <= SOON_READ ? await damageOf(options, artifact) : undefined
  return damage ?? fromPrograms(artifact, error)
}

async function damageOf(options: SourceOptions, artifact: Artifact): Promise<unknown> {
  const again = download(options.store, artifact, options.signal ? { signal: options.signal } : {})
  try {
    for await (const chunk of again.stream) void chunk
    return undefined
  } catch (error) {
    return error
  }
}

interface StageEnd {
  command: string
  ended: string
  stderr: string
}

/** What a program says when the one after it has gone: the kernel connects them by sockets. */
const CUT_OFF = /broken pipe|connection reset/i

/**
 * What age, zstd and dd say, as codes. All of them are heard: when one ends badly its neighbours do too, and which the
 * kernel reports first is chance.
 */
function fromPrograms(artifact: Artifact, error: HoldfastError): HoldfastError {
  const stages = (error.details['stages'] ?? []) as StageEnd[]
  const said = stages.map(({ stderr }) => stderr).join('\n')
  const about = { object: artifact.key, cause: error }
  if (WRONG_KEY.test(said)) return new HoldfastError('KEY_WRONG', `the age identity does not open ${artifact.key}`, about)
  if (/No space left on device/.test(said))
    return new HoldfastError('SPACE_SHORT', `no space left while ${artifact.key} was written`, about)
  const unpacking = stages.filter(({ command }) => /^(age|zstd) -/.test(command))
  // A program that was killed says nothing of the bytes.
  if (unpacking.some(({ ended }) => /was ended by (?!SIGPIPE|SIGTERM)/.test(ended))) return error
  const broken = unpacking.find(failedItself)
  return broken ? new HoldfastError('INTEGRITY', `${artifact.key} cannot be opened: ${broken.stderr}`, about) : blameConsumer(stages, error)
}

function failedItself({ ended, stderr }: StageEnd): boolean {
  return /^exited with [1-9]/.test(ended) && !CUT_OFF.test(stderr)
}

/** Whoever was cut off is not to blame: the last one that ended badly by itself is. */
function blameConsumer(stages: StageEnd[], error: HoldfastError): HoldfastError {
  const culprit = stages.findLast(failedItself)
  if (!culprit) return error
  const { command, ended, stderr } = culprit
  return new HoldfastError('PROCESS_FAILED', `${command} ${ended}${stderr ? `: ${stderr}` : ''}`, {
    object: command.split(' ')[0] ?? command,
    cause: error,
    details: { ...error.details, command, stderr, exitCode: Number(ended.replace(/\D/g, '')) },
  })
}
