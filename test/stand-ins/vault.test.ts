/** The stand-in for OpenBao answers as the real one was seen to. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, type Filled, fillVault, openVault, snapshotOf, unseal } from '../support/vault.ts'
import { startVaultStandIn } from '../support/stand-ins/vault/start.ts'
import { unpack } from '../support/stand-ins/vault/archive.ts'

const SNAPSHOT = 'sys/storage/raft/snapshot'

describe('the stand-in for OpenBao', () => {
  let dir: string
  let source: Filled
  let other: Filled
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-vault-'))
    ;[source, other] = await Promise.all([openVault(dir), openVault()])
    await fillVault(source)
  })
  afterAll(async () => {
    await Promise.all([source?.stop(), other?.stop()])
    await rm(dir, { recursive: true, force: true })
  })
  const secret = (url: string, token: string) => ask(url, token, 'GET', 'secret/data/api')

  it('two snapshots of an unchanged node differ as archives and are equal inside', async () => {
    const [one, two] = [await snapshotOf(source), await snapshotOf(source)]
    expect(one.equals(two)).toBe(false)
    expect(unpack(one)['SHA256SUMS']).toEqual(unpack(two)['SHA256SUMS'])
    expect(Object.keys(unpack(one))).toEqual(['meta.json', 'state.bin', 'SHA256SUMS', 'SHA256SUMS.sealed'])
    expect((await fetch(`${source.url}/v1/${SNAPSHOT}`, { method: 'HEAD' })).status).toBe(405)
  })

  it('restores over itself and stays unsealed', async () => {
    const archive = await snapshotOf(source)
    await ask(source.url, source.rootToken, 'DELETE', 'secret/metadata/api')
    expect((await secret(source.url, source.rootToken)).status).toBe(404)
    expect((await ask(source.url, source.rootToken, 'POST', SNAPSHOT, archive)).status).toBe(204)
    expect((await secret(source.url, source.rootToken)).status).toBe(200)
  })

  it('damaged files are refused in its words, and nothing changes', async () => {
    const archive = await snapshotOf(source)
    const said = async (bytes: Buffer) => {
      const { status, body } = await ask(source.url, source.rootToken, 'POST', SNAPSHOT, bytes)
      expect(status).toBe(500)
      return body.errors?.join()
    }
    const flipped = Buffer.from(archive)
    flipped[1200] = (flipped[1200] ?? 0) ^ 1
    expect(await said(archive.subarray(0, -200))).toMatch(/unexpected EOF/)
    expect(await said(flipped)).toMatch(/hash check failed for "state.bin"/)
    expect(await said(Buffer.from('no archive at all'))).toMatch(/failed to decompress/)
    expect((await secret(source.url, source.rootToken)).status).toBe(200)
  })

  it('policies: read takes a snapshot, update restores one, force needs sudo as well', async () => {
    const { url, rootToken } = source
    const may = async (list: string) => {
      const rule = (path: string) => `path "${path}" { capabilities = [${list}] }\n`
      await ask(url, rootToken, 'PUT', 'sys/policies/acl/one', { policy: rule(SNAPSHOT) + rule(`${SNAPSHOT}-force`) })
      const { body } = await ask(url, rootToken, 'POST', 'auth/token/create', { policies: ['one'] })
      return String((body['auth'] as { client_token: string }).client_token)
    }
    const archive = await snapshotOf(source)
    const reader = await may('"read"')
    expect((await fetch(`${url}/v1/${SNAPSHOT}`, { headers: { 'x-vault-token': reader } })).status).toBe(200)
    expect((await ask(url, reader, 'POST', SNAPSHOT, archive)).status).toBe(403)
    const writer = await may('"update"')
    expect((await ask(url, writer, 'POST', `${SNAPSHOT}-force`, archive)).status).toBe(403)
    expect((await ask(url, writer, 'POST', SNAPSHOT, archive)).status).toBe(204)
    expect((await ask(url, 'nobody', 'GET', SNAPSHOT)).status).toBe(403)
  })

  it('another cluster takes it by force only, is sealed then, and opens with the keys of the source', async () => {
    const archive = await snapshotOf(source)
    const { status, body } = await ask(other.url, other.rootToken, 'POST', SNAPSHOT, archive)
    expect([status, body.errors?.join()]).toEqual([400, expect.stringMatching(/different set of unseal keys; use the snapshot-force API/)])
    expect((await ask(other.url, other.rootToken, 'POST', `${SNAPSHOT}-force`, archive)).status).toBe(204)
    expect((await ask(other.url, '', 'GET', 'sys/seal-status')).body).toMatchObject({ sealed: true, initialized: true })
    expect((await unseal(other.url, other.keys)).body.errors?.join()).toMatch(/message authentication failed/)
    expect((await unseal(other.url, source.keys)).body).toMatchObject({ sealed: false })
    expect((await secret(other.url, source.rootToken)).status).toBe(200)
    expect((await secret(other.url, other.rootToken)).status).toBe(403)
  })

  it('has what it had after a restart, and is sealed', async () => {
    await source.stop()
    const again = await startVaultStandIn({ dir: source.dir })
    expect((await ask(again.url, '', 'GET', 'sys/seal-status')).body).toMatchObject({ sealed: true, t: 2, n: 3 })
    await unseal(again.url, source.keys)
    expect((await secret(again.url, source.rootToken)).status).toBe(200)
    await again.stop()
  })
})
