/** The stand-in for Neumann behaves as a replicated store does: nothing that was acknowledged is lost, and one node leads. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../src/process/wait.ts'
import { type Neumann, type NeumannOptions, startNeumann } from '../support/stand-ins/neumann/start.ts'

let cluster: Neumann
const start = async (options: NeumannOptions = {}) => {
  cluster = await startNeumann(options)
  return cluster
}
afterEach(() => cluster.stop())

const post = (url: string) => fetch(url, { method: 'POST', redirect: 'manual' })
const on = (place: number) => {
  const node = cluster.nodes[place]
  if (!node) throw new Error(`no node ${place}`)
  return node
}
const everywhere = (key: string, value: string) =>
  until(async () => (await Promise.all(cluster.nodes.map((node) => cluster.get(key, node)))).every((found) => found === value), {
    timeoutMs: 30_000,
    what: `${key} on every node`,
  })
const snapshot = async () => {
  const leader = await cluster.leader()
  expect((await post(`${leader.url}/admin/snapshot`)).status).toBe(202)
  await until(async () => (await cluster.metric('neumann_snapshot_in_progress', leader)) === 0, { timeoutMs: 30_000, what: 'the snapshot' })
  return leader
}

describe('replication', () => {
  it('brings every acknowledged entry to every node, deletes too', async () => {
    await start()
    await cluster.put('orders/1', 'new')
    await cluster.put('orders/2', 'new')
    await cluster.put('orders/1', 'paid')
    await cluster.put('orders/2', null)
    await everywhere('orders/1', 'paid')
    expect((await cluster.admin(['stats'])).stdout).toMatch(/^total_entries 4$/m)
    expect((await cluster.admin(['query', 'SELECT COUNT(*) FROM orders'], await cluster.leader())).stdout).toBe('1\n')
  })

  it('acknowledges nothing without a majority', async () => {
    await start()
    await cluster.put('a', '1')
    await on(1).kill()
    await on(2).kill()
    await expect(cluster.put('b', '2')).rejects.toThrow(/HTTP 50[34]/)
    await until(async () => (await cluster.metric('neumann_raft_is_leader', on(0))) === 0, {
      timeoutMs: 30_000,
      what: 'node 1 to lead no more',
    })
    await Promise.all([on(1).start(), on(2).start()])
    await cluster.leader()
    await cluster.put('c', '3')
    await everywhere('a', '1')
  })

  it('gives every entry a later time than the one before', async () => {
    await start({ nodes: 1 })
    const entries = await Promise.all(Array.from({ length: 20 }, (_, count) => cluster.put('a', String(count))))
    const times = entries.sort((a, b) => a.index - b.index).map(({ time }) => time)
    expect([...new Set(times)].sort()).toEqual(times)
  })
})

describe('the leader', () => {
  it('is followed by the lowest of the others, with a higher term, once it is killed; what it had acknowledged is there', async () => {
    await start()
    const { id } = await cluster.leader()
    const { term } = await cluster.put('a', '1')
    await everywhere('a', '1')
    await on(id - 1).kill()
    const next = await cluster.leader()
    expect(next.id).toBe(id === 1 ? 2 : 1)
    expect((await cluster.put('b', '2')).term).toBeGreaterThan(term)
    expect(await cluster.get('a', next)).toBe('1')
    await on(id - 1).start()
    await everywhere('b', '2')
  })

  it('is named by the others, which take no snapshot themselves', async () => {
    await start()
    await cluster.put('a', '1')
    const leader = await cluster.leader()
    const follower = cluster.nodes.find((node) => node !== leader)
    const reply = await post(`${follower?.url}/admin/snapshot`)
    expect(reply.status).toBe(307)
    expect(reply.headers.get('location')).toBe(`${leader.url}/admin/snapshot`)
    expect(await reply.json()).toMatchObject({ error: expect.stringContaining('not the leader'), leader: leader.id })
  })
})

describe('pausing', () => {
  it('refuses writes until they are resumed, also under the next leader', async () => {
    await start()
    expect((await cluster.admin(['pause-writes'])).stdout).toMatch(/^writes paused at index \d+$/m)
    await expect(cluster.put('a', '1')).rejects.toThrow('HTTP 503: writes are paused')
    await on((await cluster.leader()).id - 1).kill()
    await cluster.leader()
    await expect(cluster.put('a', '1')).rejects.toThrow('HTTP 503: writes are paused')
    await cluster.admin(['resume-writes'])
    await cluster.put('a', '1')
  })
})

describe('snapshots', () => {
  it('are taken while the node serves, and /metrics tells when one is whole', async () => {
    await start({ raft: { snapshot_ms: 500 } })
    const { index } = await cluster.put('a', '1')
    const leader = await cluster.leader()
    await post(`${leader.url}/admin/snapshot`)
    expect(await cluster.metric('neumann_snapshot_in_progress', leader)).toBe(1)
    expect((await post(`${leader.url}/admin/snapshot`)).status).toBe(409)
    await cluster.put('b', '2')
    await until(async () => (await cluster.metric('neumann_snapshot_in_progress', leader)) === 0, { timeoutMs: 30_000, what: 'the end' })
    expect(await cluster.metric('neumann_snapshot_last_index', leader)).toBe(index)
  })

  it('are taken by themselves once there are enough entries', async () => {
    await start({ nodes: 1, raft: { snapshot_entries: 5 } })
    for (let count = 0; count < 8; count++) await cluster.put(`k${count}`, 'x')
    await until(async () => (await cluster.metric('neumann_snapshot_last_index', on(0))) >= 5, { timeoutMs: 30_000, what: 'a snapshot' })
  })

  it('and the log after them give a restarted node everything back', async () => {
    await start()
    await cluster.put('a', '1')
    await snapshot()
    await cluster.put('b', '2')
    for (const node of cluster.nodes) await node.kill()
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
    await everywhere('a', '1')
    await everywhere('b', '2')
  })

  it('are sent to a node that joins with nothing, and the entries after them', async () => {
    await start()
    const third = on((await cluster.leader()).id === 3 ? 1 : 2)
    await cluster.put('a', '1')
    await third.stop()
    await rm(join(third.dir, 'raft'), { recursive: true })
    await snapshot()
    await cluster.put('b', '2')
    await third.start()
    await everywhere('a', '1')
    await everywhere('b', '2')
  })
})
