/** Programs from Debian packages. Services that come with them are not started and no PostgreSQL cluster is made. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { run } from '../../src/process/run.ts'
import type { Progress } from './ensure.ts'
import { lookUp } from './find.ts'
import type { Program } from './programs.ts'
import { whileTelling } from './progress.ts'

const MARK = "# Put here by Holdfast's toolbox while it installs packages; removed afterwards.\n"
/** What package scripts ask before they start a service: 101 forbids it. */
const POLICY = '/usr/sbin/policy-rc.d'
/** Keeps the package postgresql-15 from making and starting a cluster "main" on its first installation. */
const CLUSTER = '/etc/postgresql-common/createcluster.d/zz-holdfast.conf'

/** The packages that bring the programs, each once. */
export function debianPackages(programs: readonly Program[]): string[] {
  return [...new Set(programs.flatMap(({ from }) => ('debian' in from ? [from.debian] : [])))]
}

/** True where this user and this machine can install packages. */
export function mayInstallDebian(): boolean {
  return process.getuid?.() === 0 && lookUp('apt-get') !== undefined
}

/** Installs the packages; what is installed already stays at its version, so that no running server is restarted. */
export async function installDebian(packages: readonly string[], progress: Progress, signal?: AbortSignal): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' }
  const apt = (...args: string[]) => run({ program: 'apt-get', args: ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], env }, { signal })
  const restore = await quieten()
  try {
    await whileTelling(progress, 'reading the package lists (apt-get update)', () => apt('update'))
    await whileTelling(progress, `installing ${packages.join(', ')}`, () =>
      apt('install', '-y', '--no-upgrade', '--no-install-recommends', ...packages),
    )
  } finally {
    await restore()
  }
}

/** Keeps services from starting while packages are installed. A policy that the machine has of its own stays as it is. */
async function quieten(): Promise<() => Promise<void>> {
  const files: string[] = []
  if (!existsSync(POLICY) || readFileSync(POLICY, 'utf8').includes(MARK)) {
    await writeFile(POLICY, `#!/bin/sh\n${MARK}exit 101\n`, { mode: 0o755 })
    files.push(POLICY)
  }
  await mkdir('/etc/postgresql-common/createcluster.d', { recursive: true })
  await writeFile(CLUSTER, `${MARK}create_main_cluster = false\n`)
  files.push(CLUSTER)
  return async () => {
    for (const file of files) await rm(file, { force: true })
  }
}
