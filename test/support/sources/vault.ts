/** Secrets on a stand-in for OpenBao, and a second one that its restores are proved on. */
import { join } from 'node:path'
import type { OpenSample } from '../../../scripts/sources/sample.ts'
import { ask, backupToken, contentsOfVault, fillVault, openVault } from '../vault.ts'

export const openVaultSample: OpenSample = async (dir) => {
  const source = await openVault(join(dir, 'source'))
  const scratch = await openVault(join(dir, 'scratch'))
  await fillVault(source)
  const { url, rootToken, keys } = source
  const on = (method: string, path: string, body?: object) => ask(url, rootToken, method, path, body)
  return {
    driver: 'vault',
    config: {
      url,
      token: '${env:VAULT_SAMPLE_TOKEN}',
      scratch: {
        url: scratch.url,
        token: '${env:VAULT_SAMPLE_SCRATCH}',
        restoredToken: '${env:VAULT_SAMPLE_ROOT}',
        unsealKeys: ['${env:VAULT_SAMPLE_KEY_1}', '${env:VAULT_SAMPLE_KEY_2}'],
      },
      verify: { assertions: [{ read: 'secret/data/db/orders' }, { read: 'secret/data/nothing', exists: false }] },
    },
    env: {
      VAULT_SAMPLE_TOKEN: await backupToken(source),
      VAULT_SAMPLE_SCRATCH: scratch.rootToken,
      VAULT_SAMPLE_ROOT: rootToken,
      VAULT_SAMPLE_KEY_1: keys[0] ?? '',
      VAULT_SAMPLE_KEY_2: keys[1] ?? '',
    },
    contents: () => contentsOfVault(source),
    async change() {
      await on('POST', 'secret/data/api', { data: { password: 'another' } })
      await on('POST', 'secret/data/added', { data: {} })
    },
    async destroy() {
      await on('DELETE', 'secret/metadata/db/orders')
      await on('DELETE', 'sys/mounts/team/apps')
    },
    // Before its first restore it is open, with a token of its own and nothing of the source.
    leftovers: async () => ((await ask(scratch.url, rootToken, 'GET', 'sys/mounts')).status === 200 ? ['the scratch is open'] : []),
    async close() {
      await Promise.all([source.stop(), scratch.stop()])
    },
  }
}
