/** Files and folders that the configuration names: a relative one is looked for beside the configuration, wherever a program is started. */
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Path, Problem } from './problem.ts'
import type { Config } from './schema.ts'
import { isOwnText, mapFileReferences } from './secrets.ts'

/** Keys whose value is a path of the machine that a worker runs on. */
const PATHS = /(File|Dir)$|^pgbackrestConfig$/
/** Keys of these are names of somebody's own. */
const NAMES = ['publicKeys', 'env', 'config']

/** The configuration with whole paths only. */
export const withWholePaths = (config: Config, folder: string): Config => mapPaths(config, (path) => resolve(folder, path)) as Config

/** Paths that lead somewhere from where the program was started, and nowhere from the folder of the configuration. */
export async function strayPaths(config: Config, folder: string): Promise<Problem[]> {
  const found: { at: Path; path: string }[] = []
  mapPaths(config, (path, at) => {
    found.push({ at, path })
    return path
  })
  const problems = await Promise.all(
    found.map(async ({ at, path }) => {
      const [meant, other] = [resolve(folder, path), resolve(path)]
      if (meant === other || (await isThere(meant)) || !(await isThere(other))) return []
      return [{ path: at, message: `there is no ${meant}: relative paths begin beside the configuration; is it ${other}?` }]
    }),
  )
  return problems.flat()
}

function mapPaths(value: unknown, change: (path: string, at: Path) => string, at: Path = []): unknown {
  if (typeof value === 'string') return isPath(at) ? change(value, at) : mapFileReferences(value, (path) => change(path, at))
  if (Array.isArray(value)) return value.map((inner, index) => mapPaths(inner, change, [...at, index]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isOwnText(key) ? inner : mapPaths(inner, change, [...at, key])]),
  )
}

function isPath(at: Path): boolean {
  const [part, , key, inner] = at
  if (part === 'repositories' && key === 'path') return true
  if (part === 'sources' && key === 'gpg' && inner === 'home') return true
  return PATHS.test(String(at.at(-1))) && !NAMES.includes(String(at.at(-2)))
}

export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
