/** A restore over the live server: one request, and the guards around it that a seal needs. */
import { access, rm } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { removeOwnFolder } from '../common/own-folder.ts'
import { type Asked, requireConfirmed } from '../common/confirm.ts'
import type { DriverContext, Filling, LiveRestore, RestoreChoice, Swapped } from '../driver.ts'
import { factsOfFile } from './archive.ts'
import { SNAPSHOT } from './capture.ts'
import { compareContents } from './compare.ts'
import { clusterIn, clusterOf, leaderOf, sealStatus } from './facts.ts'
import { fetchArchive } from './restore.ts'
import { archiveIn, FORCE, readNote, writeNote } from './scratch.ts'
import { sourcePlace, type Vault, type Work, withVault } from './server.ts'

export function createLive(work: Work): LiveRestore {
  const withLive = <T>(signal: AbortSignal | undefined, use: (vault: Vault) => Promise<T>) =>
    withVault(work, sourcePlace(work), signal, use)
  return {
    fingerprint: () => withLive(undefined, fingerprintOf),
    check: (manifest, confirm, choice = {}) =>
      withLive(undefined, async (vault) => {
        requireConfirmed(manifest, confirm, askedOf(await fingerprintOf(vault)))
        requireKeysKnown(manifest, await clusterOf(vault), choice)
      }),
    async restoreAside(context, manifest, source, place) {
      if (!place) throw new HoldfastError('INPUT_INVALID', 'a snapshot is checked in a folder of the worker first', { object: manifest.id })
      const { sums } = await fetchArchive(context, manifest, source, place.dir)
      if (sums === manifest.inventory?.['snapshot']?.['sums'])
        return { database: clusterIn(manifest), oid: sums, bytes: manifest.sizeBytes }
      throw new HoldfastError('VERIFY_FAILED', `the snapshot of ${manifest.id} is another than its manifest describes`, {
        object: `${manifest.source}/${manifest.id}`,
        next: `nothing was replaced; holdfast verify ${manifest.source} ${manifest.id}`,
      })
    },
    swap: (manifest, confirm, oid, filling) => {
      if (!filling) throw new HoldfastError('INPUT_INVALID', 'there is nothing to restore from', { object: manifest.id })
      return withLive(filling.context.signal, (vault) => swap(vault, manifest, { confirm, oid, filling }))
    },
    async removeAside(_manifest, place) {
      if (place) await removeOwnFolder(place.dir)
    },
  }
}

/** `host:port/cluster`: where it is, and which one answers there. */
const fingerprintOf = async (vault: Vault): Promise<string> => `${new URL(vault.url).host}/${await clusterOf(vault)}`

const askedOf = (fingerprint: string): Asked => ({
  fingerprint,
  target: 'the live server has',
  meaning: 'this is the server to restore to',
})

/** On another cluster it is sealed afterwards, and stays so for whoever has not the keys of the source. */
function requireKeysKnown(manifest: Manifest, cluster: string, { mode }: RestoreChoice): void {
  if (mode === 'empty' || mode === 'upsert')
    throw new HoldfastError('INPUT_INVALID', `a Vault is restored whole: there is no mode ${mode}`, {
      object: 'mode',
      next: 'leave mode out',
    })
  if (cluster === clusterIn(manifest) || mode === 'replace') return
  throw new HoldfastError(
    'SOURCE_UNFIT',
    `${manifest.id} is of the cluster ${clusterIn(manifest)}, and this is ${cluster}: it would be sealed afterwards, and only ${keysOf(manifest)} would open it`,
    { object: cluster, next: 'make sure that these keys are at hand, then repeat with mode replace' },
  )
}

function keysOf({ inventory = {} }: Manifest): string {
  const { type = 'shamir', threshold = '?', shares = '?', keys } = inventory['seal'] ?? {}
  const named = keys === undefined ? '' : ` (${keys})`
  return type === 'shamir'
    ? `${threshold} of the ${shares} ORIGINAL unseal keys of the source${named}`
    : `the ORIGINAL ${type} key of the source${named}`
}

interface Swapping {
  confirm: string
  oid: string | undefined
  filling: Filling
}

async function swap(vault: Vault, manifest: Manifest, { confirm, oid, filling }: Swapping): Promise<Swapped> {
  const { context, dir } = filling
  const file = archiveIn(dir)
  // A force that an earlier try had sent leaves the server sealed, so that it does not say who it is.
  if ((await readNote(dir))?.url === vault.url && (await sealStatus(vault)).sealed) return forced(manifest)
  const fingerprint = await fingerprintOf(vault)
  requireConfirmed(manifest, confirm, askedOf(fingerprint))
  const ownCluster = fingerprint.endsWith(`/${clusterIn(manifest)}`)
  requireKeysKnown(manifest, fingerprint.split('/')[1] ?? '', filling.choice)
  const there = await access(file).then(
    () => true,
    () => false,
  )
  const { sums } = there ? await factsOfFile(file) : await fetchArchive(context, manifest, filling.source, dir)
  if (oid !== undefined && sums !== oid)
    throw new HoldfastError('INTEGRITY', `${file} is not the snapshot that was checked`, { object: file, next: 'start the restore again' })
  context.onProgress({ phase: 'swap' })
  if (!ownCluster) await writeNote(dir, { url: vault.url })
  await vault.upload(ownCluster ? SNAPSHOT : FORCE, file)
  await rm(file, { force: true })
  return ownCluster ? restored(vault, manifest, context) : forced(manifest)
}

async function restored(vault: Vault, manifest: Manifest, context: DriverContext): Promise<Swapped> {
  const compared = await compareContents(vault, manifest, 'full', () => context.onProgress({ phase: 'compare' }))
  const { raft_applied_index: index = 0 } = await leaderOf(vault)
  const had = Number(manifest.inventory?.['snapshot']?.['index'] ?? 0)
  const red = compared.filter(({ ok }) => !ok).map((one) => `${one.name}: expected ${one.expected}, found ${one.actual}`)
  if (index < had) red.push(`the server is at index ${index}, the snapshot is of ${had}`)
  return {
    database: clusterIn(manifest),
    notes: [
      'tokens that were revoked since hold again, and leases that have expired since are revoked now: look after the credentials of databases',
    ],
    ...(red.length > 0 && { warnings: red }),
  }
}

const forced = (manifest: Manifest): Swapped => ({
  database: clusterIn(manifest),
  notes: [
    `the server is sealed now: unseal it with ${keysOf(manifest)}`,
    'the tokens of the source hold there, the old root token too; those that the server had do not',
    'nobody has looked at what is in it yet: once it is open, leases that have expired are revoked',
  ],
})
