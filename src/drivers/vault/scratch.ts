/**
 * The Vault that restores are proved on. It takes over the seal, the tokens and the name of the source, so that it is
 * opened with the keys of the source, for as long as it is looked at, and sealed again whatever happened.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seconds } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { until } from '../../process/wait.ts'
import { removeOwnFolder } from '../common/own-folder.ts'
import { SNAPSHOT } from './capture.ts'
import { leaderOf, sealStatus } from './facts.ts'
import { isStatus, type Place, sourcePlace, type Vault, type Work, withVault } from './server.ts'

export const FORCE = `${SNAPSHOT}-force`
export const archiveIn = (dir: string): string => join(dir, 'raft.snap')

/** Of one restore, in its folder: what has to be undone. */
export interface Note {
  url?: string
  /** What the server found damaged. */
  damaged?: string
}
const noteIn = (dir: string): string => join(dir, 'vault.json')

export async function writeNote(dir: string, note: Note): Promise<void> {
  await writeFile(noteIn(dir), JSON.stringify(note), { mode: 0o600 })
}

export async function readNote(dir: string): Promise<Note | undefined> {
  const text = await readFile(noteIn(dir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Note)
}

/** With a token of the source, which it has once it was restored. */
export function restoredPlace({ config }: Work): Place | undefined {
  const { scratch } = config
  return scratch && { url: scratch.url, token: scratch.restoredToken ?? config.token, caFile: scratch.tls.caFile }
}

/** With the token of its first life. */
export function firstPlace({ config }: Work): Place | undefined {
  const { scratch } = config
  return scratch && { url: scratch.url, token: scratch.token, caFile: scratch.tls.caFile }
}

/** Opens it with the keys of the source, where it is sealed; resolves once it is active. */
export async function open(work: Work, vault: Vault): Promise<void> {
  const { initialized, sealed } = await sealStatus(vault)
  if (!initialized)
    throw new HoldfastError('SOURCE_UNFIT', `the scratch ${vault.url} is not initialised`, {
      object: vault.url,
      next: 'initialise and unseal it once',
    })
  if (sealed) for (const reference of work.config.scratch?.unsealKeys ?? []) await giveKey(work, vault, reference)
  const { sealed: still } = await sealStatus(vault)
  if (still)
    throw new HoldfastError('SOURCE_UNFIT', `the scratch ${vault.url} stays sealed: the unseal keys are fewer than it asks for`, {
      object: vault.url,
      next: 'give scratch.unsealKeys as many keys of the source as its threshold',
    })
  const active = async () => (await vault.ask('GET', 'sys/health', { accept: [429, 472, 473, 503] })).status === 200
  await until(active, {
    timeoutMs: seconds(work.config.timeouts.request) * 1000,
    what: `the scratch ${vault.url} to be active`,
    ...(vault.signal && { signal: vault.signal }),
  })
}

async function giveKey(work: Work, vault: Vault, reference: string): Promise<void> {
  const key = await work.secret(reference)
  if (!(await sealStatus(vault)).sealed) return
  await vault.ask('PUT', 'sys/unseal', { body: { key } }).catch((error: unknown) => {
    if (!isStatus(error, 400, 500)) throw error
    throw new HoldfastError(
      'SOURCE_UNFIT',
      `the scratch ${vault.url} does not open with the unseal keys of the source: ${(error as Error).message}`,
      {
        object: vault.url,
        cause: error,
        next: 'compare scratch.unsealKeys with the keys that the source had then; a scratch of its own keys is unsealed by hand once',
      },
    )
  })
}

/** It may be the source by another address, and would be replaced. */
export async function requireOther(work: Work, vault: Vault, { inventory = {} }: Manifest): Promise<void> {
  const { leader_cluster_address: here = '' } = await leaderOf(vault)
  const known = [String(inventory['cluster']?.['leader'] ?? ''), ...String(inventory['snapshot']?.['servers'] ?? '').split(' ')]
  const now = await withVault(work, sourcePlace(work), vault.signal, leaderOf).catch(() => ({ leader_cluster_address: '' }))
  const hosts = [...known, now.leader_cluster_address ?? ''].map(hostOf).filter(Boolean)
  if (new URL(vault.url).host !== new URL(work.config.url).host && !hosts.includes(hostOf(here))) return
  throw new HoldfastError('SOURCE_UNFIT', `the scratch ${vault.url} is a node of the source itself`, {
    object: vault.url,
    next: 'name another Vault in scratch.url, one that nobody needs',
  })
}

const hostOf = (address: string): string => address.replace(/^https?:\/\//, '')

/** Harmless where it is sealed. Throws SOURCE_UNFIT where no token may. */
export async function sealAgain(work: Work, signal?: AbortSignal): Promise<void> {
  const places = [restoredPlace(work), firstPlace(work)].filter((place) => place !== undefined)
  for (const place of places) {
    const done = await withVault(work, place, signal, async (vault) => {
      if ((await sealStatus(vault)).sealed) return true
      return vault.ask('PUT', 'sys/seal').then(
        () => true,
        (error: unknown) => {
          if (isStatus(error, 403)) return false
          throw error
        },
      )
    })
    if (done) return
  }
  throw new HoldfastError('SOURCE_UNFIT', `the scratch ${work.config.scratch?.url} is open and no token may seal it`, {
    object: work.config.scratch?.url ?? '',
    next: 'seal it now; give scratch.restoredToken a token of the source whose policy has path "sys/seal" { capabilities = ["update", "sudo"] }',
  })
}

/** What was restored on the scratch is there, sealed; the next restore replaces it. */
export async function destroy(work: Work, dir: string): Promise<void> {
  const note = await readNote(dir)
  if (note?.url !== undefined && note.url === work.config.scratch?.url) await sealAgain(work)
  await removeOwnFolder(dir)
}
