/**
 * What has to come from outside after a total loss: with these things, the repositories and Holdfast itself everything else
 * can be brought back. From the configuration alone; what is missing here is said.
 */
import { isThere } from '../../config/paths.ts'
import type { Config } from '../../config/schema.ts'
import { isOwnText } from '../../config/secrets.ts'
import { findProgram } from '../../process/find.ts'
import { ownPrograms } from './own-programs.ts'
import { queuesOf } from './temporal.ts'
import { toolsOf } from './tools.ts'

export interface Outside {
  what: 'configuration' | 'key' | 'secret' | 'file' | 'repository' | 'program' | 'host' | 'service'
  name: string
  /** Where the configuration asks for it. */
  where: string
  /** Undefined where this machine cannot tell. */
  here?: boolean
}

/** Keys of files that a worker reads; the value is a whole path. */
const FILES = /(File|Config)$/
const REFERENCE = /\$\{(env|file):([^}]+)\}/g

export async function outside(config: Config, configFile: string): Promise<Outside[]> {
  const found: Outside[] = [{ what: 'configuration', name: configFile, where: 'holdfast.yaml', here: true }]
  const { identityFile, breakGlass, recipients } = config.encryption
  found.push({
    what: 'key',
    name: `the age identity of one of ${[...recipients, ...(breakGlass ? [`${breakGlass} (break glass)`] : [])].join(', ')}`,
    where: 'encryption',
    ...(identityFile !== undefined && { here: await isThere(identityFile) }),
  })
  for (const [name, repository] of Object.entries(config.repositories)) {
    const place =
      repository.type === 's3'
        ? `bucket ${repository.bucket}`
        : `${repository.type === 'ssh' ? `${repository.host}:` : ''}${repository.path}`
    found.push({ what: 'repository', name: place, where: `repositories.${name}` })
  }
  await walk(config, '', async (path, value) => {
    for (const [, kind, name = ''] of value.matchAll(REFERENCE)) {
      const here = kind === 'env' ? process.env[name] !== undefined : await isThere(name)
      found.push({ what: 'secret', name: kind === 'env' ? `environment variable ${name}` : name, where: path, here })
    }
    if (FILES.test(path) && path !== 'encryption.identityFile')
      found.push({ what: 'file', name: value, where: path, here: await isThere(value) })
  })
  for (const [name, where] of programsOf(config))
    found.push({ what: 'program', name, where, here: findProgram({ program: name }) !== undefined })
  for (const { roles } of queuesOf(config)) {
    const host = /^host:(.*)$/.exec(roles)?.[1]
    if (host !== undefined) found.push({ what: 'host', name: host, where: `holdfast worker --roles ${roles}` })
  }
  found.push({
    what: 'service',
    name: `a Temporal server at ${config.temporal.address}, which may be new and empty`,
    where: 'temporal.address',
  })
  for (const name of Object.keys(config.sources))
    found.push({ what: 'service', name: `an empty system for ${name}`, where: `sources.${name}` })
  return found
}

/** Each once, with what it is needed for. */
function programsOf(config: Config): Map<string, string> {
  const own = ownPrograms(config).map(({ program, where }) => [program, where] as const)
  return new Map([...own, ...toolsOf(config).map(({ program, why }) => [program, why] as const)])
}

async function walk(value: unknown, path: string, visit: (path: string, value: string) => Promise<void>): Promise<void> {
  if (typeof value === 'string') return visit(path, value)
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) if (!isOwnText(key)) await walk(inner, path ? `${path}.${key}` : key, visit)
}

export function outsideLines(found: readonly Outside[]): string[] {
  const width = Math.max(...found.map(({ what }) => what.length))
  return found.map(({ what, name, where, here }) => `${here === false ? 'MISSING ' : '        '}${what.padEnd(width)}  ${name}  (${where})`)
}
