/** A physical point on a host that knows nothing of its source: the engine configured from the manifest, the files laid out. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import type { Manifest, Reference } from '../core/records.ts'
import type { ArtifactSource } from '../drivers/driver.ts'
import { giveTo, makeFolder, postgresUser } from '../drivers/postgres-common/folder.ts'
import { createPgbackrest } from '../drivers/postgres-physical/pgbackrest.ts'
import { configFromReference } from '../drivers/postgres-physical/pgbackrest-config.ts'
import { writeSettings } from '../drivers/postgres-physical/quarantine.ts'
import type { IntoFolder } from './offline-logical.ts'
import { completeConfiguration, PORT, startCommands } from './offline-start.ts'

export interface Physical extends IntoFolder {
  signal: AbortSignal
  /** By the engine's own names, over what the manifest says. */
  settings: Record<string, string>
}

/** A data directory that replays to the end of the archive and takes writes once it is started; nothing is started here. */
export async function restoreCluster(
  manifest: Manifest,
  source: ArtifactSource,
  on: Physical,
): Promise<{ files: string[]; next: string[] }> {
  const reference = manifest.reference as Reference
  const { into, signal, onProgress } = on
  const [dataDir, workDir] = [join(into, 'data'), join(into, 'engine')]
  const user = postgresUser(undefined)
  if (user) await giveTo(user, into)
  for (const folder of [workDir, join(workDir, 'tablespaces')]) await makeFolder(folder)
  const configFile = await configFromReference({
    reference,
    dir: workDir,
    settings: { ...fromEnvironment(reference), ...on.settings },
    ...(await passphraseOf(manifest, source)),
  })
  const segmentBytes = typeof reference['segmentBytes'] === 'number' ? { segmentBytes: reference['segmentBytes'] } : {}
  const engine = createPgbackrest({ configFile, stanza: reference.stanza, ...segmentBytes })
  if ((await engine.manifestDigest(reference.label)) !== reference.manifestDigest) {
    throw new HoldfastError('INTEGRITY', `the engine's manifest of ${reference.label} is not the one that was recorded`, {
      object: reference.label,
    })
  }
  await engine.restore({ label: reference.label, dataDir, workDir, signal, onProgress })
  await mkdir(join(into, 'socket'), { mode: 0o755 })
  if (user) await giveTo(user, join(into, 'socket'))
  const settings = {
    ...(await completeConfiguration({ dataDir, user })),
    restore_command: engine.restoreCommand({ dataDir, workDir }),
    recovery_target_timeline: 'latest',
    // The old stanza stays as it was, whatever becomes of this copy.
    archive_mode: 'off',
    unix_socket_directories: join(into, 'socket'),
    listen_addresses: '',
    port: PORT,
  }
  await writeSettings(dataDir, settings, undefined)
  return { files: [dataDir, configFile], next: await startCommands({ dataDir, into, user }) }
}

/** Keys of the store, by the names that its own tools know. */
function fromEnvironment(reference: Reference): Record<string, string> {
  const repository = (reference['repository'] ?? {}) as Record<string, string>
  if (repository['repo1-type'] !== 's3') return {}
  const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token, AWS_CA_BUNDLE: ca } = process.env
  return {
    ...(key && { 'repo1-s3-key': key }),
    ...(secret && { 'repo1-s3-key-secret': secret }),
    ...(token && { 'repo1-s3-token': token }),
    ...(ca && { 'repo1-storage-ca-file': ca }),
  }
}

/** Read into memory and given to the engine's configuration, which only its user may read. */
async function passphraseOf(manifest: Manifest, source: ArtifactSource): Promise<{ passphrase?: string }> {
  const artifact = manifest.artifacts.find(({ role }) => role === 'passphrase')
  if (!artifact) return {}
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(artifact)) chunks.push(chunk as Buffer)
  return { passphrase: Buffer.concat(chunks).toString('utf8') }
}
