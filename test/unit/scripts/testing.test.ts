import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { missingFrom } from '../../../scripts/complete-lock.ts'
import { withLock } from '../../../scripts/lock.mjs'
import { markOf, stopLeftovers } from '../../../scripts/testing/leftovers.ts'
import { countsOf } from '../../../scripts/testing/report.ts'
import { until } from '../../../src/process/wait.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-testing-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('the count of a test run', () => {
  const test = (status: string) => ({ fullName: `a ${status} test`, status })
  const report = (passed: number, failed: number, testResults: unknown[]) => {
    const file = join(folder, 'report.json')
    writeFileSync(file, JSON.stringify({ numPassedTests: passed, numFailedTests: failed, testResults }))
    return file
  }

  it('is what the report says, with the names of what was skipped', () => {
    const file = report(3, 1, [{ name: 'x', status: 'failed', assertionResults: [test('failed'), test('skipped'), test('passed')] }])
    expect(countsOf(file, 1)).toEqual({ passed: 3, failed: 1, skipped: ['a skipped test'] })
  })

  it('counts a file that cannot be loaded as a failure', () => {
    const file = report(3, 0, [{ name: 'x', status: 'failed', assertionResults: [] }])
    expect(countsOf(file, 1)).toMatchObject({ passed: 3, failed: 1 })
  })

  it('counts an error outside of every test as a failure', () => {
    expect(countsOf(report(3, 0, []), 1)).toMatchObject({ failed: 1 })
  })

  it('fails where no test ran, and where there is no report', () => {
    expect(countsOf(report(0, 0, []), 0)).toMatchObject({ passed: 0, failed: 1 })
    expect(countsOf(join(folder, 'none.json'), 0)).toMatchObject({ passed: 0, failed: 1 })
  })
})

describe('what tests leave behind', () => {
  it('is found by its mark, also below a parent that has ended, and stopped', async () => {
    const run = join(folder, 'run')
    const parent = spawn('sh', ['-c', 'sleep 301 & echo $!'], {
      env: { ...process.env, ...markOf(run) },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    })
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(String(data)))))
    if (parent.exitCode === null) await new Promise((resolve) => parent.once('exit', resolve))
    // Between fork and exec it is still the shell.
    const becameSleep = () => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep')
    await until(becameSleep, { timeoutMs: 10_000, what: 'the shell to become sleep' })
    expect(await stopLeftovers(run, 0)).toEqual([`process ${pid} was left behind: sleep 301 `])
    expect(await stopLeftovers(run, 0)).toEqual([])
  })
})

describe('a lock', () => {
  it('lets one in at a time and tells the others that they wait', async () => {
    const order: string[] = []
    let inside = 0
    const enter = (name: string) => async () => {
      expect(++inside).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 50))
      order.push(name)
      inside--
    }
    let waited = 0
    const onWait = () => waited++
    await Promise.all([withLock(folder, enter('a'), { onWait }), withLock(folder, enter('b'), { onWait })])
    expect(order.sort()).toEqual(['a', 'b'])
    expect(waited).toBe(1)
  })

  it('is given back where the work fails', async () => {
    await expect(withLock(folder, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await withLock(folder, () => Promise.resolve('in'))).toBe('in')
  })
})

describe('a lock file', () => {
  const biome = { version: '1.0.0', dev: true, optionalDependencies: { '@x/cli-darwin-arm64': '1.0.0', '@x/cli-linux-x64-musl': '1.0.0' } }

  it('lacks the packages of platforms that the registry did not serve', () => {
    expect(missingFrom({ packages: { '': {}, 'node_modules/x': biome } })).toEqual({
      'node_modules/@x/cli-darwin-arm64': { version: '1.0.0', dev: true, optional: true, os: ['darwin'], cpu: ['arm64'] },
      'node_modules/@x/cli-linux-x64-musl': { version: '1.0.0', dev: true, optional: true, os: ['linux'], cpu: ['x64'], libc: ['musl'] },
    })
  })

  it('has them inside the package or beside any package above it', () => {
    const nested = 'node_modules/y/node_modules/x'
    const packages = {
      '': {},
      [nested]: biome,
      [`${nested}/node_modules/@x/cli-darwin-arm64`]: {},
      'node_modules/@x/cli-linux-x64-musl': {},
    }
    expect(missingFrom({ packages })).toEqual({})
  })
})
