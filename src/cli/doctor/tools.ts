/** The programs that this configuration needs on the machine of a worker, with their versions. */
import { join } from 'node:path'
import { type Config, isPostgres } from '../../config/schema.ts'
import { run } from '../../process/run.ts'
import type { Findings } from './finding.ts'

interface Tool {
  program: string
  args: string[]
  why: string
}

export async function examineTools(config: Config, findings: Findings): Promise<void> {
  await Promise.all(
    toolsOf(config).map(({ program, args, why }) =>
      findings.guard(program, 'version', async () => {
        const { stdout, stderr } = await run({ program, args }, { timeoutMs: 30_000 })
        findings.well(program, 'version', `${`${stdout}${stderr}`.trim().split('\n')[0]}, ${why}`)
      }),
    ),
  )
  findings.all.sort((a, b) => (a.object < b.object ? -1 : 1))
}

const PHYSICAL = ['pg_controldata', 'pg_checksums']
const LOGICAL = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql', 'initdb', 'vacuumdb']

/** Each once. */
export function toolsOf({ repositories, sources, failoverGroups, applications }: Config): Tool[] {
  const version = (program: string, why: string, args = ['--version']): Tool => ({ program, args, why })
  const all = Object.values(sources)
  const groups = Object.values(failoverGroups)
  const inFolder = (folder: string, names: string[], why: string) => names.map((name) => version(join(folder, name), why))
  const tools = [
    version('age', 'encrypts every artifact'),
    version('zstd', 'compresses every artifact'),
    version('setpriv', 'ties programs to their worker'),
    ...(Object.values(repositories).some(({ type }) => type === 'ssh') ? [version('ssh', 'reaches a repository', ['-V'])] : []),
    ...all
      .filter(isPostgres)
      .flatMap(({ driver, binDir }) =>
        inFolder(
          binDir,
          ['postgres', 'pg_ctl', 'pg_amcheck', ...(driver === 'postgres-physical' ? PHYSICAL : LOGICAL)],
          'captures and proves',
        ),
      ),
    ...(all.some(({ driver }) => driver === 'postgres-physical') ? [version('pgbackrest', 'keeps physical backups', ['version'])] : []),
    ...all.flatMap((source) =>
      source.driver === 'nats'
        ? [version(source.programs.server, 'proves and compares'), version('setsid', 'starts servers that outlive a worker')]
        : [],
    ),
    ...all.flatMap((source) =>
      source.driver === 'redis' ? Object.values(source.programs).map((program) => version(program, 'captures, checks and proves')) : [],
    ),
    ...all.flatMap((source) => (source.driver === 'rocksdb' ? [version(source.programs.ldb, 'takes checkpoints and reads copies')] : [])),
    ...all.flatMap((source) =>
      source.driver === 'temporal' && !source.scratch ? [version(source.programs.temporal, 'starts a server to prove exports on')] : [],
    ),
    ...(all.some(({ driver }) => driver === 'files') ? [version('tar', 'archives folders')] : []),
    ...(all.some(({ driver }) => driver === 'raft-cluster')
      ? [
          version('tar', 'unpacks snapshots'),
          version('sha256sum', 'compares snapshots'),
          version('setsid', 'starts nodes that outlive a worker'),
        ]
      : []),
    ...(all.some((source) => source.driver === 'files' && source.git.commit) ? [version('git', 'commits configuration')] : []),
    ...(all.some((source) => source.driver === 'files' && source.gpg !== undefined) ? [version('gpg', 'encrypts folders')] : []),
    ...(Object.values(applications).some(({ type }) => type === 'kubernetes')
      ? [version('kubectl', 'stops and starts applications', ['version', '--client'])]
      : []),
    ...(Object.values(applications).some(({ type }) => type === 'systemd') ? [version('systemctl', 'stops and starts applications')] : []),
    ...groups.flatMap(({ sites }) =>
      Object.values(sites).flatMap(({ binDir }) =>
        inFolder(binDir, ['psql', 'initdb', 'pg_rewind', 'pg_basebackup', 'pg_controldata', 'pg_waldump'], 'rebuilds a site'),
      ),
    ),
    ...(groups.some(({ traffic }) => traffic.some(({ type }) => type === 'rfc2136'))
      ? [version('nsupdate', 'moves DNS records', ['-V']), version('dig', 'asks name servers', ['-v'])]
      : []),
  ]
  return [...new Map(tools.map((tool) => [tool.program, tool])).values()]
}
