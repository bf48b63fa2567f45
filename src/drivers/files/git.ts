/** The git repository that a root is in: what stands committed at a backup, and a commit of it where that is wanted. */
import { readFile, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, relative } from 'node:path'
import { realpath } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import type { FilesSourceConfig } from './config.ts'
import { asText, type BytePath, fromBytes, listed, toBytes } from './names.ts'
import { HOLD_BYTES } from './archive.ts'
import { secretIn } from './secrets.ts'
import { selectionOf } from './selection.ts'
import { matchAbove } from './patterns.ts'

export interface GitState {
  commit: string
  branch: string
  /** Paths below the root that are not as they were committed. */
  changed: number
}

const TIMEOUT_MS = 120_000

interface Repository {
  root: string
  top: string
  /** Whoever owns the folder: git refuses others, and objects made by root would be closed to them. */
  user: string | undefined
}

/** Undefined where the root is in no git repository, or git is not installed. */
export async function repositoryOf(root: string, signal: AbortSignal): Promise<Repository | undefined> {
  const user = process.getuid?.() === 0 ? await ownerOf(root, signal) : undefined
  const found = await run(git({ root, user }, ['rev-parse', '--show-toplevel']), { accept: [0, 128], signal, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'TOOL_MISSING') return undefined
      throw error
    },
  )
  if (found?.exitCode !== 0) return undefined
  return { root, user, top: found.stdout.replace(/\n$/, '') }
}

async function ownerOf(root: string, signal: AbortSignal): Promise<string | undefined> {
  if ((await stat(root).catch(() => undefined))?.uid === 0) return undefined
  const { stdout } = await run({ program: 'stat', args: ['--format=%U', '--', root] }, { signal })
  return stdout.trim() === 'UNKNOWN' ? undefined : stdout.trim()
}

const git = ({ root, user }: Pick<Repository, 'root' | 'user'>, args: string[], more: Partial<Command> = {}): Command => ({
  program: 'git',
  args: ['-C', root, '--literal-pathspecs', ...args],
  // Nobody is there to be asked.
  env: { GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -o BatchMode=yes', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
  ...(user !== undefined && { user }),
  ...more,
})

export async function stateOf(repository: Repository, signal: AbortSignal): Promise<GitState> {
  const ask = async (args: string[]) =>
    (await run(git(repository, args), { accept: [0, 1, 128], signal, timeoutMs: TIMEOUT_MS })).stdout.trim()
  return {
    commit: (await ask(['rev-parse', '--verify', '--quiet', 'HEAD'])) || 'none',
    branch: (await ask(['symbolic-ref', '--short', '--quiet', 'HEAD'])) || 'none',
    changed: (await changedIn(repository, signal)).length,
  }
}

/** Paths from the root that are changed, new or gone, as bytes. */
async function changedIn(repository: Repository, signal: AbortSignal): Promise<BytePath[]> {
  const args = ['status', '--porcelain=v1', '-z', '--untracked-files=all', '--no-renames', '--', '.']
  const { stdout, truncated } = await run(git(repository, args), { signal, timeoutMs: TIMEOUT_MS })
  if (truncated)
    throw new HoldfastError('SOURCE_UNFIT', `${repository.root} has too many changes to be listed`, {
      object: repository.root,
      next: 'commit them by hand once',
    })
  const above = relative(repository.top, await realpath(repository.root))
  const prefix = above === '' ? '' : `${above}/`
  return stdout.split('\0').flatMap((line) => (line === '' ? [] : [fromBytes(Buffer.from(line.slice(3 + prefix.length)))]))
}

export interface Committed {
  /** What was not committed, and why. */
  warnings: string[]
}

/** Commits what of the source is changed, and pushes where that is wanted. Nothing to commit is no error. */
export async function commitTree(config: FilesSourceConfig, repository: Repository, id: string, signal: AbortSignal): Promise<Committed> {
  const { message, push } = config.git
  const { wanted, secrets } = await sorted(config, await changedIn(repository, signal))
  const warnings = secrets.length > 0 ? [`not committed, for it holds a secret: ${listed(secrets)}`] : []
  if (wanted.length > 0) {
    const paths = Buffer.concat(wanted.map((path) => toBytes(`${path}\0`)))
    const fromInput = ['--pathspec-from-file=-', '--pathspec-file-nul']
    const options = { signal, timeoutMs: TIMEOUT_MS }
    await run(git(repository, ['add', '--all', ...fromInput], { stdin: paths }), options)
    const text = message.replaceAll('{id}', id)
    const commit = ['commit', '--quiet', '--only', '-m', text, ...fromInput]
    await run(git(repository, [...(await identity(repository, signal)), ...commit], { stdin: paths }), options)
  }
  if (push === undefined) return { warnings }
  try {
    await run(git(repository, ['push', '--quiet', push, 'HEAD']), { signal, timeoutMs: TIMEOUT_MS })
  } catch (error) {
    if (signal.aborted) throw error
    warnings.push(`the commit was not pushed to ${push}: ${messageOf(error)}`)
  }
  return { warnings }
}

/** Where nobody told git who commits there, Holdfast says that it does. */
async function identity(repository: Repository, signal: AbortSignal): Promise<string[]> {
  const { exitCode } = await run(git(repository, ['config', 'user.email']), { accept: [0, 1], signal, timeoutMs: TIMEOUT_MS })
  return exitCode === 0 ? [] : ['-c', 'user.name=Holdfast', '-c', `user.email=holdfast@${hostname()}`]
}

/** A remote is a place where a secret can never be taken back from: by the same rules as the backup's. */
async function sorted(config: FilesSourceConfig, paths: readonly BytePath[]): Promise<{ wanted: BytePath[]; secrets: BytePath[] }> {
  const selection = selectionOf({ ...config, maxAge: undefined, minAge: undefined })
  const wanted: BytePath[] = []
  const secrets: BytePath[] = []
  for (const path of paths) {
    if (selection.leftOut(path, 'file') !== undefined || aboveLeftOut(selection, path)) continue
    if (selection.include && matchAbove(selection.include, path) === undefined) continue
    if (selection.scanned(path) && (await holdsSecret(join(config.root, asText(path))))) secrets.push(path)
    else wanted.push(path)
  }
  return { wanted, secrets }
}

function aboveLeftOut(selection: ReturnType<typeof selectionOf>, path: BytePath): boolean {
  const words = path.split('/')
  return words.slice(1).some((_, index) => selection.leftOut(words.slice(0, index + 1).join('/'), 'folder') !== undefined)
}

/** What is too large to be looked at as a whole is not committed either. */
async function holdsSecret(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) return false
  return found.size > HOLD_BYTES || secretIn((await readFile(file)).toString('latin1')) !== undefined
}
