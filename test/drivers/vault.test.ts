/** Vault as every driver, on stand-ins for OpenBao: one that is backed up, and one that its restores are proved on. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import {
  ask,
  backupToken,
  contentsOfVault,
  fillVault,
  isSealed,
  openVault,
  scratchFor,
  unseal,
  vaultConfig,
  vaultDriver,
} from '../support/vault.ts'

async function openHarness(): Promise<DriverHarness> {
  const [source, scratch] = await Promise.all([openVault(), openVault()])
  await fillVault(source)
  const config = vaultConfig(source.url, await backupToken(source), { scratch: scratchFor(source, scratch) })
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  // It opens with the keys of the source, and the proof seals it again.
  const onScratch = (method: string, path: string, body?: object) => async () => {
    await unseal(scratch.url, source.keys)
    await ask(scratch.url, source.rootToken, method, path, body)
  }
  return {
    driver: await vaultDriver(config),
    scratchRoot,
    state: () => contentsOfVault(source),
    leftovers: async () => [],
    // Open, the scratch would go on as a second Vault with the secrets of the source.
    alive: async (dir) => (await readdir(dir).catch(() => [])).length > 0 || !(await isSealed(scratch.url)),
    leaks: async () => ((await isSealed(scratch.url)) ? [] : ['open']),
    assertions: {
      holds: { name: 'the password of orders', read: 'secret/data/db/orders', exists: true },
      red: [
        { name: 'no such secret', read: 'secret/data/nope', exists: true },
        { name: 'it is there', read: 'secret/data/api', exists: false },
        { name: 'cannot be asked', read: 'sys/unheard-of/%', exists: true },
      ],
    },
    tamperings: [
      {
        name: 'a missing secret',
        change: onScratch('DELETE', 'secret/metadata/api'),
        undo: onScratch('POST', 'secret/data/api', { data: {} }),
        red: /^keys of secret/,
      },
      {
        name: 'an added secret',
        change: onScratch('POST', 'team/apps/data/more', { data: {} }),
        undo: onScratch('DELETE', 'team/apps/metadata/more'),
        red: /^keys of team/,
      },
      {
        name: 'an added way to log in',
        change: onScratch('POST', 'sys/auth/userpass', { type: 'userpass' }),
        undo: onScratch('DELETE', 'sys/auth/userpass'),
        red: /^auth methods$/,
      },
    ],
    async close() {
      await Promise.all([source.stop(), scratch.stop()])
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describeDriver('vault', openHarness)
