/**
 * All of a live server replaced without a restart: it becomes the replica of a scratch server that was filled and
 * compared, is compared itself while it takes no writes, and is opened again. Clients stay connected and may read.
 */
import { join as under } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { until } from '../../process/wait.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Swapped } from '../driver.ts'
import { type Confirmed, requireServer } from './confirm.ts'
import { type Client, infoOf, placeOf, settingOf, withServer } from './connect.ts'
import { compareInventories } from './facts.ts'
import { fetchByReplication } from './fetch.ts'
import { inventoryOf } from './inventory.ts'
import { requireEmpty, requireFit } from './live-fit.ts'
import { awaitSynced, beginHistory, follows, join, lineFor, lineOf, OWN_PASSWORD, part } from './live-link.ts'
import { bringRdb, databasesOf } from './restore.ts'
import { destroyScratch, makeScratch, rdbOf, startScratch, withScratch } from './scratch.ts'
import { engineOf, expectedOf, verify } from './verify.ts'
import type { Work } from './work.ts'

export function liveWholeOf(work: Work, choice: RestoreChoice) {
  return {
    async check(client: Client, manifest: Manifest): Promise<void> {
      if (choice.mode === 'empty') await requireEmpty(client)
      await requireFit(work, client, manifest)
    },
    restoreAside: (context: DriverContext, manifest: Manifest, source: ArtifactSource, dir: string) =>
      fill(work, context, { manifest, source, dir }),
    swap: (context: DriverContext, confirmed: Confirmed, place: Place) => swap(work, context, confirmed, place),
    removeAside: (_: Manifest, dir: string) => giveUp(work, dir),
  }
}

export interface Place {
  oid?: string | undefined
  dir: string
}

/** A scratch server that another may read from. Its history's name tells it from one that a straggler makes. */
async function fill(
  work: Work,
  context: DriverContext,
  { manifest, source, dir }: { manifest: Manifest; source: ArtifactSource; dir: string },
): Promise<{ database: string; oid: string; bytes: number }> {
  const { config } = work
  const server = await work.server()
  const listen = await withServer(server, (client) => lineFor(client, config.address))
  await makeScratch(dir)
  try {
    await bringRdb(manifest, source, dir, context)
    await startScratch({ config, dir, databases: databasesOf(manifest), listen, signal: context.signal })
    requireGreen(
      manifest,
      await verify(config, context, manifest, { kind: 'live', dir, connection: '', database: '' }, { depth: 'full', assertions: [] }),
    )
    await withScratch(dir, async (client) => {
      // It would remove keys whose time has come, and the comparison would miss them.
      await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
      await client.call('REPLICAOF', 'NO', 'ONE')
    })
    return { database: placeOf(server), oid: await beginHistory(dir), bytes: manifest.sizeBytes }
  } catch (error) {
    await destroyScratch(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

async function swap(work: Work, context: DriverContext, confirmed: Confirmed, { oid, dir }: Place): Promise<Swapped> {
  const server = await work.server()
  const place = placeOf(server)
  await withServer(server, async (client) => {
    const info = await infoOf(client, 'replication')
    // A server that was opened again remembers whose history it went on from.
    if (info['role'] === 'master' && oid !== undefined && info['master_replid2'] === oid) return part(client)
    const line = await lineOf(dir).catch((error: unknown) => {
      throw new HoldfastError('NOT_FOUND', `what was restored in ${dir} does not run`, {
        object: dir,
        cause: error,
        next: 'start the restore again',
      })
    })
    if (line.role !== 'master' || (oid !== undefined && line.replid !== oid))
      throw new HoldfastError('STORE_CONFLICT', `${dir} was made again by another try, and what it holds is not known`, {
        object: dir,
        next: 'start the restore again',
      })
    if (!follows(info, line)) {
      await requireServer(client, place, confirmed)
      await join(client, line)
    }
    await awaitSynced(client, dir, context)
    await compareLive(work, context, client, confirmed.manifest, dir)
    await part(client)
    await awaitAppendOnly(client, context)
  })
  await destroyScratch(dir)
  return {
    database: place,
    notes: [
      'the ACL users of the server are as they were: parts ["acl"] restores those of the point',
      'what the server held is in the safety backup',
    ],
  }
}

/** What the live server holds now, read from it and loaded: that works on any server, and sees everything. */
async function compareLive(work: Work, context: DriverContext, client: Client, manifest: Manifest, dir: string): Promise<void> {
  const compared = under(dir, 'compared')
  const { config } = work
  await makeScratch(compared)
  try {
    await fetchByReplication(config, await work.server(), rdbOf(compared), context)
    context.onProgress({ phase: 'compare' })
    await startScratch({ config, dir: compared, databases: databasesOf(manifest), tied: true, signal: context.signal })
    const look = { depth: 'digests', signal: context.signal, onProgress: (phase: string) => context.onProgress({ phase }) } as const
    const held = await withScratch(compared, async (scratch) => ({
      found: await inventoryOf(scratch, look),
      engine: await engineOf(scratch),
    }))
    const expected = await expectedOf(config, context, manifest, { dir, depth: 'full', engine: held.engine })
    requireGreen(manifest, compareInventories(expected, held.found))
  } catch (error) {
    // Known to be wrong it is opened by nobody but a person.
    if (error instanceof HoldfastError && error.code === 'VERIFY_FAILED') await part(client, '127.0.0.1', '0')
    throw error
  } finally {
    await destroyScratch(compared)
  }
}

function requireGreen(manifest: Manifest, assertions: Assertion[]): void {
  const red = assertions.filter(({ ok }) => !ok)
  if (red.length === 0) return
  const words = red.slice(0, 5).map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
  throw new HoldfastError('VERIFY_FAILED', `what was restored is not what the manifest says: ${words.join('; ')}`, {
    object: `${manifest.source}/${manifest.id}`,
    next: 'where INFO replication of the live server names the master 127.0.0.1:0, it holds this and takes no writes: restore the safety backup',
  })
}

/** The append-only file is written anew after it all was replaced: only then a restart brings it back. */
async function awaitAppendOnly(client: Client, { signal, onProgress }: DriverContext): Promise<void> {
  await until(
    async () => {
      onProgress({ phase: 'append-only file' })
      const info = await infoOf(client, 'persistence')
      return (
        info['aof_enabled'] !== '1' ||
        (info['aof_rewrite_in_progress'] === '0' && info['aof_rewrite_scheduled'] === '0' && info['aof_last_bgrewrite_status'] === 'ok')
      )
    },
    { timeoutMs: 6 * 3_600_000, everyMs: 100, what: 'the append-only file to be written anew', signal },
  )
}

/** The live server takes writes again, if it reads from what is given up here. */
async function giveUp(work: Work, dir: string): Promise<void> {
  const line = await lineOf(dir).catch(() => undefined)
  await withServer(await work.server(), async (client) => {
    const info = await infoOf(client, 'replication')
    const left = (await settingOf(client, 'masterauth'))?.startsWith(OWN_PASSWORD) === true
    if (info['role'] === 'slave' && (left || (line && follows(info, line)))) await part(client)
  })
  await destroyScratch(dir)
}
