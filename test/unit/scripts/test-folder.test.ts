/** Where a test run keeps its files, and in which order its files run. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TestSpecification, Vitest } from 'vitest/node'
import { holdsTests, removeAbandoned } from '../../../scripts/testing/folder.ts'
import { FOLDERS, LongestFirst } from '../../../scripts/testing/order.ts'
import { run } from '../../../src/process/run.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a folder in memory', () => {
  const room = { files: 1000, memory: 1000 }
  const mounted = async (options: string, look: () => Promise<void>) => {
    await run({ program: 'mount', args: ['-t', 'tmpfs', '-o', `size=12m,${options}`, 'tmpfs', folder] })
    await look().finally(() => run({ program: 'umount', args: [folder] }))
  }

  it.runIf(process.getuid?.() === 0)('is for tests where programs may run in it, and is left as it was', async () => {
    await mounted('exec', async () => {
      expect(await holdsTests(folder, room)).toBe(true)
      expect(readdirSync(folder)).toEqual([])
    })
    await mounted('noexec', async () => expect(await holdsTests(folder, room)).toBe(false))
  })

  it.runIf(process.getuid?.() === 0)('is left alone where it, or the machine, has not the room', async () => {
    await mounted('exec', async () => {
      expect(await holdsTests(folder, { ...room, files: 2 ** 25 })).toBe(false)
      expect(await holdsTests(folder, { ...room, memory: 2 ** 60 })).toBe(false)
    })
  })

  it('is none where it is on a disk, or not there', async () => {
    expect(await holdsTests(join(ROOT, 'node_modules'), room)).toBe(false)
    expect(await holdsTests(join(folder, 'nope'), room)).toBe(false)
  })
})

it('folders of test runs that were killed are removed; those of others that run are not, nor what is not of a test run', async () => {
  const { pid: dead } = spawnSync('true')
  for (const name of [`hf-${dead}`, `hf-${process.ppid}`, 'hf-else']) mkdirSync(join(folder, name, 'data'), { recursive: true })
  await removeAbandoned(folder)
  expect(readdirSync(folder).sort()).toEqual([`hf-${process.ppid}`, 'hf-else'].sort())
})

describe('the order of the test files', () => {
  it('is by folder, and by how long they took within one', async () => {
    const took: Record<string, number> = { 'drivers/short': 1, 'drivers/long': 3, 'e2e/one': 2, 'unit/a/long': 9 }
    const specs = Object.keys(took).map((name) => ({
      moduleId: join(ROOT, 'test', `${name}.test.ts`),
      project: { name: '', config: { sequence: { groupOrder: 0 } } },
    }))
    const durationOf = ({ moduleId }: TestSpecification) => took[moduleId.slice(join(ROOT, 'test').length + 1, -'.test.ts'.length)]
    const cache = { getTestSpecificationResult: (spec: TestSpecification) => ({ failed: false, duration: durationOf(spec) }) }
    const order = new LongestFirst({ config: { root: ROOT }, cache } as unknown as Vitest)
    const sorted = await order.sort(specs as unknown as TestSpecification[])
    expect(sorted.map(durationOf)).toEqual([2, 3, 1, 9])
  })

  it('knows every folder that has tests', () => {
    const all = readdirSync(join(ROOT, 'test'), { recursive: true }).map(String)
    const folders = new Set(all.filter((path) => path.endsWith('.test.ts')).map((path) => path.split('/')[0]))
    expect([...folders].sort()).toEqual([...FOLDERS].sort())
  })
})
