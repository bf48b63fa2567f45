/** Whether a capture of this source can succeed, before it is begun. Changes nothing. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import type { FilesSourceConfig } from './config.ts'
import { repositoryOf } from './git.ts'
import { lookCommand } from './gpg.ts'
import { selectionOf } from './selection.ts'
import { nothingPassed, statTree } from './walk.ts'

type Finding = Preflight['findings'][number]

/** So many files are looked at: a tree of millions is walked once, by the capture itself. */
const LOOK_AT = 50_000

export async function preflight(config: FilesSourceConfig, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  const versions: Record<string, string> = { tar: await tarVersion(context.signal) }
  const passed = nothingPassed()
  let files = 0
  let bytes = 0
  let all = true
  for await (const { type, size } of statTree(config.root, selectionOf(config), passed)) {
    context.signal.throwIfAborted()
    files += type === 'file' ? 1 : 0
    bytes += size
    all = files < LOOK_AT
    if (!all) break
  }
  const findings = [
    selected(config, files, all),
    all ? unmatched(config, passed.matched) : undefined,
    ...(await Promise.all((config.gpg?.recipients ?? []).map((recipient) => gpgFinding(config, recipient, context.signal)))),
    await gitFinding(config, context.signal),
  ]
  return { versions, estimateBytes: bytes, findings: findings.filter((finding) => finding !== undefined) }
}

async function tarVersion(signal: AbortSignal): Promise<string> {
  const { stdout } = await run({ program: 'tar', args: ['--version'] }, { signal })
  const version = /^tar \(GNU tar\) (\S+)/.exec(stdout)?.[1]
  if (version) return version
  throw new HoldfastError('TOOL_MISSING', `the tar of this machine is not GNU tar: ${stdout.split('\n')[0]}`, {
    object: 'tar',
    next: 'install GNU tar as tar',
  })
}

/** Not required: what is left of a lost folder is backed up too, before it is restored over. */
function selected({ root }: FilesSourceConfig, files: number, all: boolean): Finding {
  const ok = files > 0
  return {
    name: 'files',
    ok,
    required: false,
    detail: ok ? `${files}${all ? '' : ' and more'} below ${root}` : `nothing below ${root} is selected`,
    next: 'look at root, include and exclude of the source',
  }
}

/** A pattern that matches nothing is a misspelt name, or a file that is gone. */
function unmatched({ include = [] }: FilesSourceConfig, matched: ReadonlySet<string>): Finding | undefined {
  const empty = include.filter((pattern) => !matched.has(pattern))
  if (include.length === 0) return undefined
  return {
    name: 'include',
    ok: empty.length === 0,
    required: false,
    detail: empty.length === 0 ? 'every pattern matches' : `nothing matches ${empty.join(', ')}`,
    next: 'correct include of the source',
  }
}

async function gpgFinding({ gpg }: FilesSourceConfig, recipient: string, signal: AbortSignal): Promise<Finding | undefined> {
  if (!gpg) return undefined
  const problem = await run(lookCommand(gpg, recipient), { signal }).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  )
  return {
    name: 'gpg',
    ok: problem === undefined,
    required: true,
    detail: problem ?? `the keyring has ${recipient}`,
    next: `gpg --import the public key of ${recipient}, for the user that the worker runs as`,
  }
}

async function gitFinding({ root, git }: FilesSourceConfig, signal: AbortSignal): Promise<Finding | undefined> {
  if (!git.commit) return undefined
  const found = await repositoryOf(root, signal)
  return {
    name: 'git',
    ok: found !== undefined,
    required: true,
    detail: found ? `${root} is in the repository ${found.top}` : `${root} is in no git repository`,
    next: 'git init there, or turn git.commit off',
  }
}
