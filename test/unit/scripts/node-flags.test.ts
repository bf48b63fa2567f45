import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..', '..')

it.each([
  ['#!/usr/bin/env -S node --max-semi-space-size=2 --no-deprecation', ['--max-semi-space-size=2', '--no-deprecation']],
  ['#!/usr/bin/env node', []],
  ['', []],
])('a script that begins with %j is started with the flags that it names', (first, flags) => {
  const dir = mkdtempSync(join(ROOT, '.flags-'))
  try {
    writeFileSync(join(dir, 'script.mjs'), `${first}\nprocess.stdout.write(JSON.stringify(process.execArgv))\n`)
    const { stdout } = spawnSync('node', [join(ROOT, 'scripts', 'bootstrap.mjs'), join(dir, 'script.mjs')], { encoding: 'utf8' })
    expect(JSON.parse(stdout)).toEqual(flags)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
