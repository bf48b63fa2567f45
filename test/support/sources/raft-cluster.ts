/** A stand-in for Neumann with three nodes, as a sample: emptied by mistake, key by key, while it runs on. */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import type { OpenSample } from '../../../scripts/sources/sample.ts'
import { openClusterSource } from '../raft-cluster.ts'

const KEYS = 60
const key = (count: number) => `${count % 2 === 0 ? 'orders' : 'users'}/${count}`

export const openRaftClusterSample: OpenSample = async (dir) => {
  const own = join(dir, 'cluster')
  await mkdir(own)
  const source = await openClusterSource({ dir: own })
  const { cluster } = source
  for (let count = 0; count < KEYS; count += 1) await cluster.put(key(count), `value ${count} ${'x'.repeat(200)}`)
  const {
    driver,
    repository: _,
    ...config
  } = source.config({
    verify: { assertions: [{ name: 'orders', query: 'SELECT COUNT(*) FROM orders', equals: String(KEYS / 2) }] },
  })
  const write = async (name: string, value: string | null) => {
    const { url } = await source.leader()
    const reply = await fetch(`${url}/kv`, { method: 'POST', body: JSON.stringify({ key: name, value }) })
    if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${await reply.text()}`)
  }
  return {
    driver,
    config,
    env: {},
    async contents() {
      const { url } = await source.leader()
      const read = async (name: string) => `${name} ${await (await fetch(`${url}/kv?key=${encodeURIComponent(name)}`)).text()}`
      const all = await Promise.all([...Array.from({ length: KEYS }, (_, count) => key(count)), 'users/new'].map(read))
      return blake3(all.join('')).toString('hex')
    },
    async change() {
      await write('users/new', 'somebody')
      await write(key(3), 'changed')
    },
    async destroy() {
      for (let count = 0; count < KEYS; count += 1) await write(key(count), null)
    },
    leftovers: async () => (await readdir(own)).filter((name) => !/^node-\d(\.pre_restore_\d{8}_\d{6})?$/.test(name)),
    close: () => source.remove(),
  }
}
