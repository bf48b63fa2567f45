/** What a team's own pages promise of Neumann's backups holds for the stand-in: archive, replay to a moment, total loss, damage. */
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/process/wait.ts'
import { type Neumann, type NeumannNode, type NeumannOptions, startNeumann } from '../support/stand-ins/neumann/start.ts'

let folder: string
let archive: string
const clusters: Neumann[] = []
const start = async (options: NeumannOptions = {}) => {
  const cluster = await startNeumann(options)
  clusters.push(cluster)
  return cluster
}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-neumann-test-'))
  archive = join(folder, 'archive')
  await mkdir(archive)
})
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stop()
  await rm(folder, { recursive: true, force: true })
})

const first = ({ nodes }: Neumann): NeumannNode => {
  const [node] = nodes
  if (!node) throw new Error('a cluster without nodes')
  return node
}
const becomes = (cluster: Neumann, name: string, holds: (value: number) => boolean, node = first(cluster)) =>
  until(async () => holds(await cluster.metric(name, node)), { timeoutMs: 30_000, what: name })
const archivedThrough = (cluster: Neumann, index: number, node?: NeumannNode) =>
  becomes(cluster, 'neumann_wal_archived_index', (archived) => archived >= index, node)
const snapshot = async (cluster: Neumann) => {
  const leader = await cluster.leader()
  const { name } = (await (await fetch(`${leader.url}/admin/snapshot`, { method: 'POST' })).json()) as { name: string }
  await becomes(cluster, 'neumann_snapshot_in_progress', (value) => value === 0, leader)
  return join(leader.dir, 'raft', 'snapshots', name)
}
const clear = (node: NeumannNode) => rm(join(node.dir, 'raft'), { recursive: true })
const putBack = async (node: NeumannNode, file: string) => {
  const snapshots = join(node.dir, 'raft', 'snapshots')
  await mkdir(snapshots, { recursive: true })
  await cp(file, join(snapshots, file.split('/').at(-1) ?? ''))
}
/** Small segments, each archived at once. */
const archiving = () => ({ segment_bytes: 300, archive_timeout: 1, archive_command: `cp %p ${archive}/%f` })

describe('the archive', () => {
  it('gets every closed segment, in spite of a command that fails at first', async () => {
    const command = `test -e ${folder}/open && cp %p ${archive}/%f`
    const cluster = await start({ nodes: 1, wal: { ...archiving(), archive_command: command } })
    for (let count = 0; count < 10; count++) await cluster.put(`k${count}`, 'x')
    await becomes(cluster, 'neumann_wal_archive_failures_total', (failures) => failures >= 2)
    expect(await readdir(archive)).toEqual([])
    await writeFile(join(folder, 'open'), '')
    await archivedThrough(cluster, 11)
    const spans = (await readdir(archive)).sort().map((name) => /^0*(\d+)-0*(\d+)\.wal$/.exec(name)?.slice(1).map(Number))
    expect(spans.flat()).toEqual(expect.arrayContaining([1, 11]))
    for (const [place, span] of spans.entries()) expect(span?.[0]).toBe((spans[place - 1]?.[1] ?? 0) + 1)
  })

  it('goes on under the next leader', async () => {
    const cluster = await start({ wal: archiving() })
    await cluster.put('a', '1')
    await (await cluster.leader()).kill()
    const leader = await cluster.leader()
    const { index } = await cluster.put('b', '2')
    await archivedThrough(cluster, index, leader)
    expect((await Promise.all((await readdir(archive)).map((name) => readFile(join(archive, name), 'utf8')))).join('')).toContain(
      '"key":"b"',
    )
  })
})

describe('recovery to a moment', () => {
  it('replays what is not later than it, on every node, and nothing else', async () => {
    const cluster = await start({ wal: archiving() })
    await cluster.put('a', 'in the snapshot')
    const taken = await snapshot(cluster)
    const kept = join(folder, taken.split('/').at(-1) ?? '')
    await cp(taken, kept)
    await cluster.put('b', 'before')
    const { time } = await cluster.put('c', 'the last one wanted')
    const { index } = await cluster.put('a', 'a mistake')
    await archivedThrough(cluster, index, await cluster.leader())
    for (const node of cluster.nodes) await node.stop()
    for (const node of cluster.nodes) await clear(node)
    const node = first(cluster)
    await putBack(node, kept)
    await node.start()
    await node.stop()
    const replay = ['--data-dir', node.dir, 'wal-replay', '--wal-dir', archive, '--until', time]
    // Twice: whoever was killed in the middle does it again.
    for (let times = 0; times < 2; times++) {
      const { stdout } = await cluster.admin(replay, node)
      expect(JSON.parse(stdout)).toMatchObject({ time, total_entries: 3, stopped_before: { index } })
    }
    for (const each of cluster.nodes) await each.start()
    await cluster.leader()
    for (const each of cluster.nodes) {
      await until(async () => (await cluster.get('c', each)) === 'the last one wanted', { timeoutMs: 30_000, what: 'the data' })
      expect([await cluster.get('a', each), await cluster.get('b', each)]).toEqual(['in the snapshot', 'before'])
      expect((await cluster.admin(['stats'], each)).stdout).toMatch(/^total_entries 3$/m)
    }
    await cluster.put('d', 'life goes on')
  })

  it('is refused across a gap, from a damaged segment, and to a time before the snapshot', async () => {
    const cluster = await start({ nodes: 1, wal: archiving() })
    const { time: early } = await cluster.put('k', 'first')
    for (let count = 0; count < 12; count++) await cluster.put('k', `value ${count}`)
    await archivedThrough(cluster, 14)
    await cluster.nodes[0]?.stop()
    const replay = (...more: string[]) =>
      cluster.admin(['--data-dir', first(cluster).dir, 'wal-replay', '--wal-dir', archive, ...more], first(cluster))
    const names = (await readdir(archive)).sort()
    const damaged = join(archive, names.at(-1) ?? '')
    const bytes = await readFile(damaged)
    await writeFile(damaged, Buffer.from(bytes.toString('utf8').replace('value', 'velue')))
    await expect(replay()).rejects.toThrow(/CRC mismatch in line \d+/)
    await writeFile(damaged, bytes)
    await rm(join(archive, names[1] ?? ''))
    await expect(replay()).rejects.toThrow(/the archive has a gap: entries \d+ to \d+/)
    await first(cluster).start()
    await cluster.leader()
    await snapshot(cluster)
    await first(cluster).stop()
    await expect(replay('--until', early)).rejects.toThrow(/later than .*: restore an older one/)
  })
})

describe('total loss', () => {
  it('is recovered on new addresses: a snapshot on one node, init-cluster there, the others follow', async () => {
    const old = await start()
    for (let count = 0; count < 5; count++) await old.put(`k${count}`, 'x')
    const kept = join(folder, 'kept')
    await mkdir(kept)
    const taken = await snapshot(old)
    const saved = join(kept, taken.split('/').at(-1) ?? '')
    await cp(taken, saved)
    await old.stop()
    const cluster = await start({ start: false })
    await putBack(first(cluster), saved)
    for (const node of cluster.nodes) await node.start()
    expect((await cluster.admin(['cluster-status'], first(cluster), 1)).stdout).toContain('leader none')
    await cluster.admin(['init-cluster', '--bootstrap'])
    await cluster.leader()
    await becomes(cluster, 'neumann_total_entries', (entries) => entries === 5, cluster.nodes[2])
    const status = await until(() => cluster.admin(['cluster-status']).catch(() => undefined), {
      timeoutMs: 30_000,
      what: 'a healthy cluster',
    })
    expect(status.stdout).toMatch(/^node 3 \S+ healthy index \d+$/m)
    expect(JSON.parse((await cluster.admin(['cluster-info'])).stdout)).toMatchObject({ initialized: true, total_entries: 5 })
    await expect(cluster.admin(['init-cluster', '--bootstrap'])).rejects.toThrow('already a member of cluster')
  })
})

describe('a node of another cluster', () => {
  it('is not taken in, and does not hinder the others', async () => {
    const cluster = await start({ start: false })
    const [one, two, three] = cluster.nodes
    for (const node of [two, one]) {
      await two?.stop()
      await node?.start()
      await cluster.admin(['init-cluster', '--bootstrap'], node)
    }
    await three?.start()
    await two?.start()
    await becomes(cluster, 'neumann_raft_is_leader', (leads) => leads === 1, one)
    await cluster.put('a', '1')
    await becomes(cluster, 'neumann_total_entries', (entries) => entries === 1, three)
    expect(await cluster.metric('neumann_total_entries', two as NeumannNode)).toBe(0)
    expect((await cluster.admin(['cluster-status'], one, 1)).stdout).toMatch(/^node 2 \S+ unreachable$/m)
  })
})

describe('damage', () => {
  it('of the last line of the log is what a kill leaves: the node starts without that line', async () => {
    const cluster = await start({ nodes: 1 })
    await cluster.put('a', '1')
    await first(cluster).kill()
    await appendFile(join(first(cluster).dir, 'raft', 'log', 'open.wal'), '1234abcd {"index":9,"te')
    await first(cluster).start()
    await cluster.leader()
    expect(await cluster.get('a')).toBe('1')
    await cluster.put('b', '2')
    expect((await cluster.admin(['verify-checksums'])).stdout).not.toContain('FAILED')
  })

  it('of a snapshot is found by verify-checksums, and a node does not start with it', async () => {
    const cluster = await start({ nodes: 1 })
    await cluster.put('a', 'kept well')
    const file = await snapshot(cluster)
    await writeFile(file, (await readFile(file, 'utf8')).replace('kept well', 'kept ill'))
    const { stdout } = await cluster.admin(['verify-checksums'], first(cluster), 1)
    expect(stdout).toMatch(/^FAILED .*\.snap: snapshot .* checksum mismatch$/m)
    await first(cluster).stop()
    await expect(first(cluster).start()).rejects.toThrow('checksum mismatch')
  })
})

describe('ordered faults', () => {
  it('a snapshot that fails leaves none, and shows in /metrics', async () => {
    const cluster = await start({ nodes: 1 })
    await cluster.put('a', '1')
    await first(cluster).fail({ snapshot: 'fails', snapshotMs: 300 })
    const file = await snapshot(cluster)
    expect(await cluster.metric('neumann_snapshot_last_success', first(cluster))).toBe(0)
    expect(await cluster.metric('neumann_snapshot_failures_total', first(cluster))).toBe(1)
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })

  it('a full disk refuses entries and snapshots until there is room', async () => {
    const cluster = await start({ nodes: 1 })
    await cluster.put('a', '1')
    await first(cluster).fail({ disk: 'full' })
    await expect(cluster.put('b', '2')).rejects.toThrow('HTTP 507: ENOSPC')
    await snapshot(cluster)
    expect(await cluster.metric('neumann_snapshot_last_success', first(cluster))).toBe(0)
    await first(cluster).fail({})
    await cluster.put('b', '2')
    await snapshot(cluster)
    expect(await cluster.metric('neumann_snapshot_last_success', first(cluster))).toBe(1)
  })
})
