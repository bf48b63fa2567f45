/** The store of a repository of the config, with its secrets resolved and its retries around it. */
import type { RepositoryConfig } from '../config/schema.ts'
import { resolveSecret } from '../config/secrets.ts'
import { HoldfastError } from '../core/errors.ts'
import { createFolderStore } from './folder.ts'
import { createRetryingStore } from './retrying.ts'
import type { Store } from './store.ts'
import type { TryOptions } from './tries.ts'

export async function openStore(config: RepositoryConfig, tries?: TryOptions): Promise<Store> {
  return createRetryingStore(await openBare(config), tries)
}

async function openBare(config: RepositoryConfig): Promise<Store> {
  if (config.type === 'folder') return createFolderStore(config.path)
  if (config.type === 'ssh') return (await import('./ssh.ts')).createSshStore(config)
  // Its client takes longer to load than a small object to store.
  const { createS3Store } = await import('./s3.ts')
  const { bucket, region, endpoint, prefix, caFile, storageClass, uploads } = config
  return createS3Store({ bucket, region, endpoint, prefix, caFile, storageClass, uploads, credentials: await credentialsOf(config) })
}

async function credentialsOf({
  bucket,
  accessKeyId,
  secretAccessKey,
}: Extract<RepositoryConfig, { type: 's3' }>): Promise<{ accessKeyId: string; secretAccessKey: string } | undefined> {
  if (!accessKeyId && !secretAccessKey) return undefined
  if (!accessKeyId || !secretAccessKey) {
    throw new HoldfastError('CONFIG_INVALID', `the repository with bucket ${bucket} has only one of accessKeyId and secretAccessKey`, {
      object: bucket,
      next: 'set both, or neither to use the environment',
    })
  }
  return { accessKeyId: await resolveSecret(accessKeyId), secretAccessKey: await resolveSecret(secretAccessKey) }
}
