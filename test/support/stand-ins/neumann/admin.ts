/** The command neumann-admin: asks a node by --addr or NEUMANN_ADDR; wal-replay works on a folder whose node is stopped. */
import { parseArgs } from 'node:util'
import { type Checked, checkFiles } from './check.ts'
import { replay } from './replay.ts'

const USAGE = `neumann-admin [--addr HOST:PORT] <command>
  cluster-info | cluster-status | stats | verify-checksums | pause-writes | resume-writes
  init-cluster --bootstrap
  query "SELECT COUNT(*) FROM ..."
neumann-admin --data-dir DIR wal-replay --wal-dir DIR [--until TIME] | verify-checksums
`
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    addr: { type: 'string', default: process.env['NEUMANN_ADDR'] ?? '127.0.0.1:9090' },
    'data-dir': { type: 'string', default: process.env['NEUMANN_DATA_DIR'] ?? '' },
    'wal-dir': { type: 'string' },
    until: { type: 'string' },
    bootstrap: { type: 'boolean', default: false },
  },
})
const [command = '', argument = ''] = positionals
const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const show = (value: unknown) => print(JSON.stringify(value, null, 2))

interface Info {
  cluster: string | null
  initialized: boolean
  leader: number | null
  leader_addr: string | null
  term: number
  writes_paused: boolean
  members: { id: number; addr: string; healthy?: boolean; match?: number }[]
}

async function ask<T>(method: 'GET' | 'POST', path: string, addr = values.addr): Promise<T> {
  const reply = await fetch(`http://${addr.replace(/^http:\/\//, '')}${path}`, { method }).catch((error: Error) => {
    throw new Error(`${addr} does not answer: ${String((error.cause as Error | undefined)?.message ?? error.message)}`)
  })
  const body = (await reply.json()) as T & { error?: string }
  if (!reply.ok) throw new Error(body.error ?? `HTTP ${reply.status}`)
  return body
}

/** The leader knows of all; another node only of itself. */
async function leadersView(): Promise<Info> {
  const info = await ask<Info>('GET', '/admin/cluster')
  return info.leader_addr ? ask<Info>('GET', '/admin/cluster', info.leader_addr) : info
}

const commands: Record<string, () => Promise<void> | void> = {
  'cluster-info': async () => show(await leadersView()),
  'cluster-status': async () => {
    const info = await leadersView()
    print(`cluster ${info.cluster ?? 'not initialized'}`)
    print(`leader ${info.leader ?? 'none'} term ${info.term} writes ${info.writes_paused ? 'paused' : 'allowed'}`)
    for (const { id, addr, healthy, match } of info.members)
      print(`node ${id} ${addr} ${healthy ? `healthy index ${match}` : 'unreachable'}`)
    if (info.leader === null || info.members.some(({ healthy }) => !healthy)) process.exitCode = 1
  },
  stats: async () => {
    for (const [name, value] of Object.entries(await ask<object>('GET', '/admin/stats'))) print(`${name} ${value}`)
  },
  query: async () => print(String((await ask<{ count: number }>('GET', `/admin/query?sql=${encodeURIComponent(argument)}`)).count)),
  'pause-writes': async () => print(`writes paused at index ${(await ask<{ index: number }>('POST', '/admin/pause-writes')).index}`),
  'resume-writes': async () => print(`writes resumed at index ${(await ask<{ index: number }>('POST', '/admin/resume-writes')).index}`),
  'init-cluster': async () => {
    if (!values.bootstrap) throw new Error('init-cluster makes a new cluster of what this node holds: say --bootstrap')
    print(`cluster ${(await ask<{ cluster: string }>('POST', '/admin/init-cluster')).cluster} initialized`)
  },
  'verify-checksums': async () => {
    const files = values['data-dir'] ? checkFiles(values['data-dir']) : await ask<Checked[]>('GET', '/admin/verify-checksums')
    for (const { file, ok, error } of files) print(`${ok ? 'ok' : 'FAILED'} ${file}${error ? `: ${error}` : ''}`)
    if (files.some(({ ok }) => !ok)) process.exitCode = 1
  },
  'wal-replay': () => {
    if (!values['data-dir'] || !values['wal-dir']) throw new Error('wal-replay needs --data-dir (or NEUMANN_DATA_DIR) and --wal-dir')
    const until = values.until === undefined ? undefined : new Date(values.until)
    if (until && !(until.getTime() > 0)) throw new Error(`--until ${values.until} is no time: 2024-01-15T10:30:00Z`)
    show(replay(values['data-dir'], values['wal-dir'], until))
  },
}

const run = commands[command]
if (!run) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else
  await Promise.resolve()
    .then(run)
    .catch((error: Error) => {
      process.stderr.write(`neumann-admin: ${error.message}\n`)
      process.exitCode = 1
    })
