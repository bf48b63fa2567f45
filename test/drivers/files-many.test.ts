/** A million small files: what a capture holds in memory does not grow with their number. HOLDFAST_MANY sets another number. */
import { execFileSync } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../../src/process/run.ts'

const PROBE = join(import.meta.dirname, '../support/files/many-probe.ts')
const FILES = Number(process.env['HOLDFAST_MANY'] ?? 60_000)
/** Enough for the program itself; a list of so many names, or their index, would not fit. */
const HEAP = ['--max-old-space-size=28', '--max-semi-space-size=2']

it('a capture of many small files fits into a heap that their names would fill', { timeout: 600_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-many-'))
  try {
    const { stdout } = await run({ program: process.execPath, args: [...HEAP, PROBE, join(dir, 'root'), String(FILES)] })
    const { files, mebibytes } = JSON.parse(stdout) as { files: number; mebibytes: number }
    expect(files).toBe(FILES)
    expect(mebibytes).toBeLessThan(250)
  } finally {
    execFileSync('rm', ['-rf', dir])
  }
})
