import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { violation } from '../../../scripts/lint/arrows.ts'
import { cyclesIn } from '../../../scripts/lint/cycles.ts'
import { importsOf } from '../../../scripts/lint/imports.ts'
import { lintArrows } from '../../../scripts/lint/main.ts'

describe('the imports of a source', () => {
  it('tells types from values: only "import type" vanishes when Node strips the types', () => {
    const source = [
      "import type { A } from './a.ts'",
      "import { type B } from './b.ts'",
      "import { c } from './c.ts'",
      "export type { D } from './d.ts'",
      "export { e } from './e.ts'",
      "export * from './f.ts'",
      "import './g.ts'",
      "export const h = () => import('./h.ts')",
      "export type I = import('./i.ts').I",
    ].join('\n')
    const found = importsOf(source).map(({ specifier, typeOnly, line }) => `${line} ${specifier} ${typeOnly ? 'type' : 'value'}`)
    expect(found).toEqual([
      '1 ./a.ts type',
      '2 ./b.ts value',
      '3 ./c.ts value',
      '4 ./d.ts type',
      '5 ./e.ts value',
      '6 ./f.ts value',
      '7 ./g.ts value',
      '8 ./h.ts value',
    ])
  })
})

describe('the arrows', () => {
  const check = (file: string, specifier: string, typeOnly = false) => violation(file, { specifier, typeOnly, line: 1 })

  it.each([
    ['workflows/backup.ts', '../activities/backup.ts'],
    ['workflows/backup.ts', '../src/drivers/driver.ts'],
    ['workflows/lib/saga.ts', 'node:fs'],
    ['workflows/backup.ts', '@temporalio/client'],
    ['src/core/ids.ts', '../process/run.ts'],
    ['src/core/ids.ts', 'node:crypto'],
    ['src/core/ids.ts', 'crypto'],
    ['src/contract/inputs.ts', '@temporalio/client'],
    ['src/drivers/x/capture.ts', '@temporalio/activity'],
    ['src/drivers/x/capture.ts', '@temporalio/client'],
    ['src/storage/s3.ts', '@temporalio/common'],
    ['src/cli/main.ts', '../../workers/worker.ts'],
    ['activities/dump.ts', '../workflows/backup.ts'],
    ['workers/worker.ts', '../test/support/x.ts'],
    ['scripts/bench/main.ts', '../../test/support/x.ts'],
  ])('%s may not import %s', (file, specifier) => {
    expect(check(file, specifier)).toBeDefined()
  })

  it.each([
    ['workflows/backup.ts', './lib/saga.ts'],
    ['workflows/backup.ts', '../src/contract/inputs.ts'],
    ['workflows/backup.ts', '@temporalio/workflow'],
    ['src/core/records.ts', 'zod'],
    ['src/drivers/x/capture.ts', '../../process/run.ts'],
    ['src/drivers/x/capture.ts', 'node:fs'],
    ['src/temporal/client.ts', '@temporalio/client'],
    ['workers/worker.ts', '../workflows/index.ts'],
    ['scripts/bench/main.ts', '../../workers/worker.ts'],
    ['test/unit/x.test.ts', '../../workflows/backup.ts'],
  ])('%s may import %s', (file, specifier) => {
    expect(check(file, specifier)).toBeUndefined()
  })

  it('let workflows see the types of activities, and nothing more of them', () => {
    expect(check('workflows/backup.ts', '../activities/backup.ts', true)).toBeUndefined()
    expect(check('workflows/backup.ts', '../activities/backup.ts')).toContain('import type')
    expect(check('workflows/backup.ts', '../src/drivers/driver.ts', true)).toBeDefined()
  })
})

describe('import cycles', () => {
  it('are found with the way round', () => {
    const graph = new Map([
      ['a', ['b', 'd']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', []],
    ])
    expect(cyclesIn(graph)).toEqual([['a', 'b', 'c', 'a']])
  })

  it('are not seen where two ways lead to one file', () => {
    const graph = new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d']],
      ['d', []],
    ])
    expect(cyclesIn(graph)).toEqual([])
  })
})

describe('a tree', () => {
  let root: string
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-lint-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  it('is reported file by file, with the line', () => {
    write('workflows/w.ts', "import type { A } from '../activities/a.ts'\nimport { b } from '../src/drivers/b.ts'\n")
    write('src/drivers/b.ts', "import { c } from './c.ts'\nexport const b = c\n")
    write('src/drivers/c.ts', "import { b } from './b.ts'\nexport const c = b\n")
    expect(lintArrows(root)).toEqual([
      'workflows/w.ts:2: workflows may not import src/drivers/b.ts: only workflows, src/contract, src/core',
      'src/drivers/b.ts: imports itself: src/drivers/b.ts → src/drivers/c.ts → src/drivers/b.ts',
    ])
  })

  it('may have types that refer to each other', () => {
    write('src/drivers/b.ts', "import type { C } from './c.ts'\nexport type B = C\n")
    write('src/drivers/c.ts', "import type { B } from './b.ts'\nexport type C = B\n")
    expect(lintArrows(root)).toEqual([])
  })
})
