import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Report } from '../../scripts/quickstart/report.ts'

const MAIN = join(import.meta.dirname, '../../scripts/quickstart/main.ts')
// On a disk, as anybody's: its clients write as fast as it answers, which in memory takes all that the machine has.
const DISK = '/var/tmp'
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(DISK, 'hfq-'))
  await chmod(folder, 0o1777)
})
afterEach(async () => {
  const left = await readdir(folder)
  await rm(folder, { recursive: true, force: true })
  expect(left).toEqual([])
})

interface Ended {
  code: number | null
  output: string
}

/** Runs the quickstart; interrupts it once it has said the words given. */
function quickstart(args: string[], interruptAt?: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: folder } })
    let output = ''
    let interrupted = false
    const hear = (chunk: Buffer) => {
      output += chunk
      if (interruptAt === undefined || interrupted || !output.includes(interruptAt)) return
      interrupted = true
      child.kill('SIGINT')
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

test('the quickstart proves two backups, recovers from a mistake, loses what it reports in a crash, and nothing on the way back', {
  timeout: 900_000,
}, async () => {
  const file = join(folder, 'report.json')
  const { code, output } = await quickstart(['--scale', '1', '--json', file])
  expect(output).toContain('All of it is true.')
  expect(code).toBe(0)
  const report = JSON.parse(await readFile(file, 'utf8')) as Required<Report>
  await rm(file)
  expect(report.steps.every((step) => step.ok)).toBe(true)
  // The last step looks for the run's own folder, processes and shared memory.
  expect(report.steps.at(-1)).toMatchObject({ name: 'clean', detail: 'nothing is left' })
  expect(report.proofs.map((proof) => [proof.depth, proof.ok])).toEqual([
    ['full', true],
    ['full', true],
  ])
  expect(report.pitr.rowsFound).toBe(report.pitr.rowsExpected)
  const { lost, reportedLost, unknown, fenceProven } = report.failover
  expect(fenceProven).toBe(true)
  expect(lost).toBeGreaterThan(0)
  expect(reportedLost).toBeGreaterThanOrEqual(lost)
  expect(reportedLost).toBeLessThanOrEqual(lost + unknown)
  expect(report.failback).toMatchObject({ lost: 0 })
})

test.each(['starting a primary', 'backup of shop'])(
  'an interrupt at "%s" stops everything that was started and leaves nothing',
  {
    timeout: 300_000,
  },
  async (moment) => {
    const { code, output } = await quickstart(['--scale', '1'], moment)
    expect(output).toContain('nothing is left')
    expect(code).toBe(130)
  },
)
