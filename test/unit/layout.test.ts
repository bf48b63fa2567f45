/** Promises of the tree as a whole. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Lock, missingFrom } from '../../scripts/complete-lock.ts'
import { errorsPage } from '../../scripts/errors-reference.ts'
import { ERRORS, type ErrorEntry, EXIT } from '../../src/core/errors.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const sources = () =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((file) => /\.(ts|mjs)$/.test(file))

describe('docs/errors.md', () => {
  it('documents exactly the codes of the registry', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `([A-Z_0-9]+)` \|/gm)].map(([, code]) => code)
    expect(documented.sort()).toEqual(Object.keys(ERRORS).sort())
  })

  it('is what its generator writes: node scripts/errors-reference.ts', () => {
    expect(read('docs/errors.md')).toBe(errorsPage())
  })
})

describe('the error registry', () => {
  it('says for every code what to do next, with a documented exit code that is not success', () => {
    const unfit = Object.entries<ErrorEntry>(ERRORS).filter(
      ([, entry]) => entry.next === '' || entry.exitCode === EXIT.ok || !Object.values<number>(EXIT).includes(entry.exitCode),
    )
    expect(unfit).toEqual([])
  })
})

describe('the tree', () => {
  it('has no source file of more than 500 lines', () => {
    const long = sources().filter((file) => read(file).split('\n').length - 1 > 500)
    expect(long).toEqual([])
  })

  it('has a lock file that npm ci accepts on every platform: node scripts/complete-lock.ts', () => {
    expect(Object.keys(missingFrom(JSON.parse(read('package-lock.json')) as Lock))).toEqual([])
  })

  it('names no registry in its lock file', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"')
  })

  it('runs every command of package.json so that signals reach it through npm', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const started = Object.values(scripts).filter((script) => script.includes('bootstrap.mjs'))
    expect(started.length).toBeGreaterThan(3)
    // Without exec the shell in between gets the signal and keeps it.
    for (const script of started) expect(script).toMatch(/^exec node scripts\/bootstrap\.mjs /)
  })
})
