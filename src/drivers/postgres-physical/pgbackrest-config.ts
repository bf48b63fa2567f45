/** Reading a pgBackRest configuration, and writing one for another host from what a manifest holds. */
import { readFile, writeFile } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Reference } from '../../core/records.ts'
import { giveTo, makeFolder, postgresUser } from '../postgres-common/folder.ts'
import type { EngineRepository } from './engine.ts'

export type Ini = Record<string, Record<string, string>>

/** Sections and their keys. Throws CONFIG_INVALID where the file cannot be read; no value is in the message. */
export async function readBackrestConfig(file: string): Promise<Ini> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new HoldfastError('CONFIG_INVALID', `the pgBackRest configuration ${file} cannot be read`, {
      object: file,
      cause,
      next: 'correct pgbackrestConfig of the source, or let the worker read the file',
    })
  })
  return parseIni(text)
}

export function parseIni(text: string): Ini {
  const ini: Ini = {}
  let section: Record<string, string> = {}
  for (const line of text.split('\n').map((each) => each.trim())) {
    const heading = /^\[(.+)\]$/.exec(line)
    const pair = /^([^#=]+?)\s*=\s*(.*)$/.exec(line)
    if (heading) section = ini[heading[1] as string] ??= {}
    else if (pair) section[pair[1] as string] = pair[2] as string
  }
  return ini
}

/** What the configuration says for a stanza: its own section over the global one. */
export function settingsOf(ini: Ini, stanza: string): Record<string, string> {
  return { ...ini.global, ...ini[stanza] }
}

/** What a manifest may say of the repository; everything else of `repo1-…` may be a secret or a matter of the host. */
const PUBLIC = [
  'type',
  'path',
  'cipher-type',
  's3-bucket',
  's3-endpoint',
  's3-region',
  's3-uri-style',
  's3-key-type',
  's3-role',
  'storage-host',
  'storage-port',
  'storage-verify-tls',
  'storage-ca-file',
  'azure-account',
  'azure-container',
  'azure-endpoint',
  'gcs-bucket',
  'gcs-endpoint',
  'host',
  'host-type',
  'host-port',
  'host-user',
]

/** The public part of the first repository, by pgBackRest's own names. */
export function repositoryOf(settings: Record<string, string>): EngineRepository {
  const found = PUBLIC.flatMap((name) => {
    const value = settings[`repo1-${name}`]
    return value === undefined ? [] : [[`repo1-${name}`, value]]
  })
  return { 'repo1-type': 'posix', 'repo1-path': '/var/lib/pgbackrest', ...Object.fromEntries(found) }
}

export interface FromReference {
  reference: Reference
  /** Content of the artifact `passphrase`, where the point has one. */
  passphrase?: string
  /** Over what the manifest says: keys of the store, another path, another authority (`repo1-s3-key`, `repo1-path`, …). */
  settings?: Record<string, string>
  /** Folder for the configuration, locks and logs. */
  dir: string
  osUser?: string | undefined
}

/** Writes a configuration that can restore the point on any host; resolves to its path. The file is 0600 of the engine's user. */
export async function configFromReference({ reference, passphrase, settings, dir, osUser }: FromReference): Promise<string> {
  const repository = reference.repository as EngineRepository | undefined
  const cipher = repository?.['repo1-cipher-type'] ?? 'none'
  if (cipher !== 'none' && passphrase === undefined) {
    throw new HoldfastError('KEY_MISSING', `the pgBackRest repository of ${reference.label} is encrypted, and no passphrase was given`, {
      object: reference.label,
      next: 'provide the age identity that opens the artifact "passphrase" of the recovery point',
    })
  }
  const global = {
    'repo1-path': reference.repoPath,
    ...repository,
    ...(cipher === 'none' ? {} : { 'repo1-cipher-pass': passphrase as string }),
    ...settings,
    'lock-path': `${dir}/lock`,
    'log-path': `${dir}/log`,
    'log-level-file': 'off',
    'expire-auto': 'n',
  }
  const file = `${dir}/pgbackrest.conf`
  await makeFolder(dir, osUser)
  const lines = Object.entries(global)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
  await writeFile(file, `[global]\n${lines}\n[${reference.stanza}]\npg1-path=${dir}/none\n`, { mode: 0o600 })
  const user = postgresUser(osUser)
  if (user) await giveTo(user, file)
  return file
}
