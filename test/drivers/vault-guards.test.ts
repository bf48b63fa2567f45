/** What a Vault needs that others do not: whole archives, keys of the source, and plain words where nothing was proved. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import canonicalize from 'canonicalize'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import {
  ask,
  backupToken,
  contentsOfVault,
  type Filled,
  fillVault,
  isSealed,
  openVault,
  scratchFor,
  unseal,
  vaultConfig,
  vaultDriver,
} from '../support/vault.ts'

const PATH = '/v1/sys/storage/raft/snapshot'

describe('a Vault', () => {
  let source: Filled
  let other: Filled
  let repository: Repository
  let driver: SourceDriver
  let manifest: Manifest
  let token: string
  let dir: string
  beforeAll(async () => {
    ;[source, other, repository, dir] = await Promise.all([
      openVault(),
      openVault(),
      openRepository(),
      mkdtemp(join(tmpdir(), 'holdfast-vault-')),
    ])
    await fillVault(source)
    token = await backupToken(source)
    driver = await vaultDriver(vaultConfig(source.url, token, { sealKeys: ['the safe in Bern'] }))
    const taken = await takePoint(driver, repository, nextRequest())
    // As it comes back from a repository, whose records have their keys in order.
    manifest = JSON.parse(canonicalize(taken) ?? '') as Manifest
  })
  afterAll(async () => {
    await Promise.all([source?.stop(), other?.stop()])
    for (const one of [dir, repository?.dir]) if (one) await rm(one, { recursive: true, force: true })
  })
  const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
  const over = async (on: SourceDriver, mode?: 'replace') => {
    const place = { dir: join(dir, crypto.randomUUID()), choice: mode ? { mode } : {} }
    const confirm = (await on.live?.fingerprint()) ?? ''
    await on.live?.check(manifest, confirm, place.choice)
    const { oid } = (await on.live?.restoreAside(contextFor(), manifest, artifacts(), place)) ?? {}
    const filling = { context: contextFor(), source: artifacts(), ...place }
    return { again: () => on.live?.swap(manifest, confirm, oid, filling), swapped: await on.live?.swap(manifest, confirm, oid, filling) }
  }

  it('is recorded with its seal, its cluster and its index, and with no key of either kind', () => {
    expect(manifest.inventory).toMatchObject({
      seal: { type: 'shamir', threshold: 2, shares: 3, keys: 'the safe in Bern' },
      snapshot: { term: expect.any(Number), index: expect.any(Number) },
      'keys of secret/': { keys: 3 },
    })
    const text = JSON.stringify(manifest)
    for (const secret of [token, ...source.keys, source.rootToken, 'db/orders']) expect(text).not.toContain(secret)
  })

  it('a download that breaks off is no point', async () => {
    await source.fail({ path: PATH, method: 'GET', cutAfterBytes: 700 })
    await expect(takePoint(driver, repository, nextRequest())).rejects.toMatchObject({ retryable: true })
  })

  it('without a scratch the proof is red and says that no restore was proved', async () => {
    const place = join(dir, 'offline')
    const { target } = await driver.restore(contextFor(), manifest, artifacts(), { dir: place })
    const assertions = await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    expect(assertions.find(({ name }) => name === 'archive')).toMatchObject({ ok: true })
    expect(failures(assertions)).toEqual([
      expect.objectContaining({ name: 'restored on a server', actual: expect.stringMatching(/scratch/) }),
    ])
    await driver.destroy({ dir: place })
  })

  it('a scratch that is the source itself is refused, and the source stays as it is', async () => {
    const before = await contentsOfVault(source)
    const url = source.url.replace('127.0.0.1', 'localhost')
    const same = await vaultDriver(vaultConfig(source.url, token, { scratch: { ...scratchFor(source, source), url } }))
    await expect(same.restore(contextFor(), manifest, artifacts(), { dir: join(dir, 'same') })).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
    })
    expect(await contentsOfVault(source)).toBe(before)
  })

  it('keys that do not fit make a red proof, and the scratch stays sealed', async () => {
    const scratch = await openVault()
    const wrong = await vaultDriver(vaultConfig(source.url, token, { scratch: { ...scratchFor(source, scratch), unsealKeys: other.keys } }))
    const place = join(dir, 'wrong')
    const { target } = await wrong.restore(contextFor(), manifest, artifacts(), { dir: place })
    const assertions = await wrong.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
    expect(failures(assertions)).toEqual([
      expect.objectContaining({ name: 'restored on a server', actual: expect.stringMatching(/unseal keys/) }),
    ])
    expect(await isSealed(scratch.url)).toBe(true)
    await wrong.destroy({ dir: place })
    await scratch.stop()
  })

  it('comes back over itself as it was, stays open, and may be swapped again', async () => {
    const before = await contentsOfVault(source)
    await ask(source.url, source.rootToken, 'DELETE', 'sys/mounts/secret')
    const { swapped, again } = await over(driver)
    expect(swapped?.warnings).toBeUndefined()
    await again()
    expect(await contentsOfVault(source)).toBe(before)
    await expect(driver.live?.check(manifest, 'another')).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH' })
  })

  it('goes over another cluster only by mode replace, which names the keys before and after, and leaves it sealed', async () => {
    const elsewhere = await vaultDriver(vaultConfig(other.url, other.rootToken))
    await expect(over(elsewhere)).rejects.toThrow(/ORIGINAL unseal keys.*the safe in Bern/)
    expect(await isSealed(other.url)).toBe(false)
    const { swapped, again } = await over(elsewhere, 'replace')
    expect(swapped?.notes?.join('\n')).toMatch(/sealed now: unseal it with 2 of the 3 ORIGINAL unseal keys/)
    expect(await isSealed(other.url)).toBe(true)
    expect(await again()).toEqual(swapped)
    await unseal(other.url, source.keys)
    expect(await contentsOfVault({ url: other.url, rootToken: source.rootToken })).toBe(await contentsOfVault(source))
  })

  it('a token without rights is told the policy to paste', async () => {
    const { body } = await ask(source.url, source.rootToken, 'POST', 'auth/token/create', { policies: ['none'] })
    const poor = await vaultDriver(vaultConfig(source.url, String((body['auth'] as { client_token: string }).client_token)))
    const { findings } = await poor.preflight(contextFor())
    expect(findings.filter(({ ok, required }) => required && !ok)).toEqual([
      expect.objectContaining({ next: expect.stringContaining('path "sys/storage/raft/snapshot" { capabilities = ["read"] }') }),
    ])
    expect(findings.map(({ next }) => next).join()).toContain('"sudo"')
  })
})
