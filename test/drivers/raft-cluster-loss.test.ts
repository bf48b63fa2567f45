import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, takePoint } from '../conformance/driver.ts'
import { fill, openClusterSource, put } from '../support/raft-cluster.ts'

it('a cluster that is lost with its machines is back on new ones with other addresses, from the repository alone', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-loss-'))
  const repository = await openRepository()
  const old = await openClusterSource()
  const cleanup: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true }), () => rm(repository.dir, { recursive: true })]
  try {
    await fill(old.cluster)
    const contents = await old.contents()
    const manifest = await takePoint(await old.driver(), repository, { ...nextRequest(), kind: 'full' })
    await old.remove()
    const next = await openClusterSource({ start: false })
    cleanup.unshift(() => next.remove())
    for (const node of next.cluster.nodes) await rm(node.dir, { recursive: true })
    const log = join(dir, 'provisioned')
    const live = (
      await next.driver({ provision: ['sh', '-c', 'mkdir -p "$2" && echo "$0 $1" >> "$3"', '{node}', '{addr}', '{dataDir}', log] })
    ).live as LiveRestore
    const confirm = await live.fingerprint()
    expect(confirm).toMatch(/:absent$/)
    await live.check(manifest, confirm)
    const artifacts = createSource({ store: repository.store, identityFile: repository.identity.file })
    const { oid } = await live.restoreAside(contextFor(), manifest, artifacts)
    await live.swap(manifest, confirm, oid)
    expect((await readFile(log, 'utf8')).trim().split('\n')).toEqual(
      next.cluster.nodes.map(({ id, url }) => `node-${id} ${new URL(url).host}`),
    )
    for (const node of next.cluster.nodes) expect(await next.contents(node)).toBe(contents)
    for (const { id, dir: folder } of next.cluster.nodes)
      expect(await readFile(join(folder, 'etc', 'config.toml'), 'utf8')).toContain(`id = ${id}`)
    await put(await next.leader(), 'orders/1', 'life goes on')
  } finally {
    for (const end of cleanup) await end()
  }
}, 240_000)
