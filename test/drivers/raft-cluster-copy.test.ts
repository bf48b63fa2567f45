/** A moment of a cluster from copies alone: its repository is gone, with the points and with the log. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { createCopyActivities } from '../../activities/copies.ts'
import { createRecoverActivities } from '../../activities/recover.ts'
import { configSchema } from '../../src/config/schema.ts'
import type { PitrTarget } from '../../src/contract/inputs.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { until } from '../../src/process/wait.ts'
import { pushWal } from '../../src/wal/push.ts'
import { createServices } from '../../workers/services.ts'
import { inActivity } from '../support/activity.ts'
import { catalogOn, SIGNING, signer, verifier } from '../support/catalog.ts'
import { nextRequest, openRepository, takePoint } from '../conformance/driver.ts'
import { fill, openClusterSource, put } from '../support/raft-cluster.ts'

it('is reached by the copy of a point and the copy of the log, and what came after the copying is refused', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-raft-copy-'))
  const shipped = join(dir, 'shipped')
  for (const folder of [shipped, join(dir, 'hot'), join(dir, 'dr'), join(dir, 'scratch')]) await mkdir(folder)
  const { dir: keys, identity } = await openRepository()
  const source = await openClusterSource({ wal: { segment_bytes: 1000, archive_timeout: 1, archive_command: `cp %p ${shipped}/%f` } })
  try {
    const config = configSchema.parse({
      repositories: { hot: { type: 'folder', path: join(dir, 'hot') }, dr: { type: 'folder', path: join(dir, 'dr') } },
      encryption: { recipients: [identity.recipient], identityFile: identity.file, check: false },
      signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
      archives: { shop: { repository: 'hot' } },
      sources: { orders: { ...source.config({ wal: { archive: 'shop' } }), copies: ['dr'], scratchDir: join(dir, 'scratch') } },
    })
    const hot = await createFolderStore(join(dir, 'hot'))
    await fill(source.cluster)
    const driver = await source.driver({ wal: { archive: 'shop' } })
    const manifest = await takePoint(driver, { store: hot as never, identity, dir: keys }, nextRequest())
    await catalogOn(hot).publishManifest(manifest)
    const { time } = await put(await source.leader(), 'orders/1', 'the last one wanted')
    const wanted = await source.contents()
    const { index } = await put(await source.leader(), 'orders/1', 'a mistake')
    await until(async () => (await source.cluster.metric('neumann_wal_archived_index', await source.leader())) >= index, {
      timeoutMs: 60_000,
      what: `entry ${index} to be archived`,
    })
    const archive = {
      archive: 'shop',
      store: hot,
      verifier,
      signer,
      recipients: [identity.recipient],
      compressionLevel: 3,
    }
    for (const name of await readdir(shipped)) await pushWal(archive, join(shipped, name))

    const services = createServices(config, {} as never)
    const copies = createCopyActivities(services)
    await inActivity(() => copies.copyPoint({ source: 'orders', to: 'dr', id: manifest.id }))
    expect(await inActivity(() => copies.copyLogs({ source: 'orders', to: 'dr' }))).toMatchObject([{ archive: 'shop' }])
    await rename(join(dir, 'hot'), join(dir, 'hot-gone'))

    // As a worker that starts after the disaster.
    const later = createRecoverActivities(createServices(config, {} as never))
    const recover = async (to: PitrTarget) => {
      const { repository, ...base } = await inActivity(() => later.planRecovery({ source: 'orders', target: to }))
      const input = { source: 'orders', target: to, into: 'beside', tables: [], base, instance: 'pitr-copy', workflowId: 'w', runId: 'r' }
      return inActivity(() => later.recoverToPoint({ ...input, ...(repository !== undefined && { repository }) }))
    }
    const report = await recover({ time })
    expect(report).toMatchObject({ base: manifest.id, stoppedAt: { time }, notes: [expect.stringContaining('read from its copy in dr')] })
    const addr = await readFile(join(dirname(report.connection), 'node.json'), 'utf8')
    expect(await source.contents({ url: `http://${addr}` })).toBe(wanted)
    await driver.destroy({ dir: dirname(report.connection) })
    // The end of the copy is not known to be that of the log.
    const end = await recover({ latest: true })
    expect(end).not.toHaveProperty('notes')
    expect(end.warnings).toEqual([expect.stringContaining('read from its copy in dr')])
    await driver.destroy({ dir: dirname(end.connection) })
    const after = new Date(Date.now() + 600_000).toISOString()
    await expect(recover({ time: after })).rejects.toMatchObject({ code: 'TARGET_NOT_REACHED' })
  } finally {
    await source.remove()
    for (const folder of [dir, keys]) await rm(folder, { recursive: true, force: true })
  }
}, 240_000)
