/** A restore over live streams: everything that refuses it, and the copy on this worker that is compared before any of them is touched. */
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { requireConfirmed } from '../common/confirm.ts'
import type { LiveRestore, RestoreChoice } from '../driver.ts'
import type { StreamInfo } from './answers.ts'
import type { NatsSourceConfig } from './config.ts'
import { digestOf } from './digests.ts'
import { clusterOf, type JetStream, listStreams, type Place, withJetStream } from './jetstream.ts'
import { readJournal } from './journal.ts'
import { lastSeqIn, requireFollowersFit } from './origins.ts'
import { overlap } from './overlap.ts'
import { streamsIn, wantedOf } from './records.ts'
import { newerThan, requireSpace, restoreScratch } from './restore.ts'
import { selected } from './select.ts'
import { destroyScratch } from './server.ts'
import { swap } from './swap.ts'
import { verify } from './verify.ts'

export function createLive(config: NatsSourceConfig, place: Place): LiveRestore {
  const folderOf = (manifest: Manifest) => join(config.scratchDir ?? tmpdir(), `holdfast-restore-${manifest.source}-${manifest.id}`)
  return {
    fingerprint: () => withJetStream(place, undefined, (js) => fingerprintOf(config, js)),
    check: (manifest, confirm, choice = {}) => withJetStream(place, undefined, (js) => check({ config, js, manifest, confirm, choice })),
    async restoreAside(context, manifest, source, { dir, choice } = { dir: folderOf(manifest), choice: {} }) {
      try {
        const { target, bytes } = await restoreScratch(config, context, manifest, source, { dir, choice })
        const red = (await verify(config, context, manifest, target, { depth: 'full', assertions: [] })).filter(({ ok }) => !ok)
        if (red.length === 0) return { database: target.database, bytes }
        const found = red.slice(0, 5).map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
        throw new HoldfastError('VERIFY_FAILED', `what was restored is not what the manifest says: ${found.join('; ')}`, {
          object: `${manifest.source}/${manifest.id}`,
        })
      } finally {
        // The live ones are filled from the repository again: what was compared is not needed any more.
        await destroyScratch(dir)
      }
    },
    async swap(manifest, confirm, _oid, filling) {
      if (!filling)
        throw new HoldfastError('UNEXPECTED', 'streams are restored from the repository, and none was given', { object: manifest.id })
      const fresh = (js: JetStream) => check({ config, js, manifest, confirm, choice: filling.choice })
      return withJetStream(place, filling.context.signal, (js) => swap({ js, manifest, confirm, filling, fresh }))
    },
    removeAside: (manifest, { dir } = { dir: folderOf(manifest), choice: {} }) => destroyScratch(dir),
  }
}

/**
 * `<cluster or server>/<domain>/<account>/<digest of the names of the streams and of when each was made>`. Names alone are
 * the same in every environment; a stream that was made again is another one.
 */
export async function fingerprintOf(config: NatsSourceConfig, js: JetStream): Promise<string> {
  const { server_name: name, server_id: id } = js.nc.info as unknown as Record<string, string | undefined>
  // A server without a name of its own takes another at each start.
  const where = clusterOf(js) ?? (name === id ? 'unnamed' : name)
  const made = selected(config, await listStreams(js)).map((info) => `${info.config.name} ${info.created}`)
  return [where, config.jsDomain ?? '-', await accountOf(js), digestOf(made.sort()).slice(0, 16)].join('/')
}

async function accountOf({ nc }: JetStream): Promise<string> {
  const answer = await nc.request('$SYS.REQ.USER.INFO', '', { timeout: 5_000 }).catch(() => undefined)
  return answer?.json<{ data?: { account?: string } }>().data?.account ?? '-'
}

interface Check {
  config: NatsSourceConfig
  js: JetStream
  manifest: Manifest
  confirm: string
  choice: RestoreChoice
}

async function check({ config, js, manifest, confirm, choice }: Check): Promise<void> {
  const names = wantedOf(manifest, choice.parts)
  await requireStreams({ config, js, manifest, confirm })
  const version = js.nc.info?.version ?? ''
  const newer = newerThan(version, manifest, names)
  if (newer)
    throw new HoldfastError('VERSION_UNFIT', `the server is NATS ${version}; the snapshot of ${newer.name} is from ${newer.version}`, {
      object: newer.name,
      next: `update the server to ${newer.version} or later`,
    })
  const live = await listStreams(js)
  requireMode(choice, names, live)
  requireNoOverlap(manifest, names, live)
  await requireFollowersFit(js, config, lastSeqIn(manifest, names))
  await requireRoom(js, manifest, names, live)
  await requireSpace(await nearest(config), manifest, names)
}

async function requireStreams({ config, js, manifest, confirm }: Omit<Check, 'choice'>): Promise<void> {
  const fingerprint = await fingerprintOf(config, js)
  // Where a swap has begun its streams are not what they were: what was confirmed then is written down.
  if (confirm !== '' && (await readJournal(js, manifest))?.confirm === confirm) return
  const target = 'the live streams have'
  requireConfirmed(manifest, confirm, { fingerprint, target, meaning: 'these are the streams to replace' })
}

function requireMode({ mode }: RestoreChoice, names: readonly string[], live: readonly StreamInfo[]): void {
  if (mode === 'upsert')
    throw new HoldfastError('INPUT_INVALID', 'a stream is replaced as a whole: there is no upsert', {
      object: 'mode',
      next: 'use empty or replace',
    })
  const there = live.map((info) => info.config.name).filter((name) => names.includes(name))
  if (mode !== 'empty' || there.length === 0) return
  throw new HoldfastError('SOURCE_UNFIT', `mode empty, and there is ${there.join(', ')} already`, {
    object: there[0] ?? '',
    next: 'name only streams that are gone as parts, or use mode replace, which deletes those that are there',
  })
}

/** The server would refuse it after the live stream was deleted. */
function requireNoOverlap(manifest: Manifest, names: readonly string[], live: readonly StreamInfo[]): void {
  for (const name of names) {
    const { subjects } = streamsIn(manifest)[name] ?? { subjects: [] }
    for (const { config } of live) {
      if (names.includes(config.name)) continue
      const [mine, theirs] =
        subjects.flatMap((one) => (config.subjects ?? []).filter((other) => overlap(one, other)).map((other) => [one, other]))[0] ?? []
      if (mine === undefined) continue
      throw new HoldfastError('SOURCE_UNFIT', `${name} takes ${mine}, and ${config.name}, which is not restored, takes ${theirs}`, {
        object: config.name,
        next: `change the subjects of ${config.name} or delete it, then repeat`,
      })
    }
  }
}

interface Account {
  storage: number
  memory: number
  limits: { max_storage: number; max_memory: number }
  tiers?: object
}

/** What the account may hold; accounts with tiers are left to the server, which is asked before anything is deleted. */
async function requireRoom(js: JetStream, manifest: Manifest, names: readonly string[], live: readonly StreamInfo[]): Promise<void> {
  const { storage, memory, limits, tiers } = await js.ask<Account>('INFO')
  if (tiers) return
  for (const kind of ['file', 'memory'] as const) {
    const [used, limit] = kind === 'file' ? [storage, limits.max_storage] : [memory, limits.max_memory]
    const sum = (bytes: number[]) => bytes.reduce((all, one) => all + one, 0)
    const freed = sum(live.filter(({ config }) => names.includes(config.name) && config.storage === kind).map(({ state }) => state.bytes))
    const need = sum(names.map((name) => streamsIn(manifest)[name]).map((one) => (one?.storage === kind ? one.bytes : 0)))
    if (limit < 0 || used - freed + need <= limit) continue
    throw new HoldfastError(
      'SPACE_SHORT',
      `the account may hold ${limit} bytes (${kind}); after the restore it would hold ${used - freed + need}`,
      {
        object: kind,
        next: `raise the limit of the account, or restore parts of the point`,
      },
    )
  }
}

/** The folder for scratch instances, or where it would be made. */
async function nearest({ scratchDir = tmpdir() }: NatsSourceConfig): Promise<string> {
  return statfs(scratchDir).then(
    () => scratchDir,
    () => tmpdir(),
  )
}
