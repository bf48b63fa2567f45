/**
 * Adds to package-lock.json the optional packages of other platforms that a registry did not serve when the lock was
 * written: `npm ci` refuses a lock without them. Run it after every `npm install <package>`; a test says when it is due.
 *
 *   node scripts/complete-lock.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockedPackage {
  version?: string
  optional?: boolean
  dev?: boolean
  devOptional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}
export interface Lock {
  packages: Record<string, LockedPackage>
}

const OS = ['android', 'darwin', 'freebsd', 'linux', 'win32', 'openharmony', 'wasm32']
const CPU = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'wasm32']

/** Path of each optional package that the lock misses, with the entry that it should have. */
export function missingFrom(lock: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isLocked(lock, path, name))
        missing[`node_modules/${name}`] = { version, ...sorted({ ...kinship(entry), ...platformOf(name), optional: true }) }
    }
  }
  return missing
}

/** As Node resolves it: inside the package, or beside it and beside each one above it. */
function isLocked(lock: Lock, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    if (`${folder ? `${folder}/` : ''}node_modules/${name}` in lock.packages) return true
    if (!folder) return false
  }
}

function kinship({ dev, devOptional }: LockedPackage): LockedPackage {
  return { ...(dev ? { dev } : {}), ...(devOptional ? { devOptional } : {}) }
}

/** `@swc/core-linux-arm-gnueabihf` is for os linux and cpu arm: such names are all that a lock needs to leave it out here. */
function platformOf(name: string): LockedPackage {
  const words = name.split(/[-/]/)
  const os = OS.filter((word) => words.includes(word))
  const cpu = CPU.filter((word) => words.includes(word))
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : []
  return { ...(os.length ? { os } : {}), ...(cpu.length ? { cpu } : {}), ...(libc.length ? { libc } : {}) }
}

/** As npm itself orders the fields, so that its next write changes nothing. */
function sorted(entry: LockedPackage): LockedPackage {
  return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function main(): void {
  const file = join(import.meta.dirname, '..', 'package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock
  const missing = missingFrom(lock)
  const names = Object.keys(missing)
  const [root, ...others] = Object.entries({ ...lock.packages, ...missing })
  const ordered = others.sort(([a], [b]) => a.localeCompare(b, 'en'))
  if (names.length)
    writeFileSync(
      file,
      `${JSON.stringify({ ...lock, packages: Object.fromEntries([root, ...ordered] as [string, LockedPackage][]) }, null, 2)}\n`,
    )
  process.stdout.write(`${names.length} optional packages added to package-lock.json\n`)
}

if (import.meta.main) main()
