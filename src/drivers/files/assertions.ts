/** Questions of the user's own about a restored tree: whether something is there, and whether a program is content with it. */
import { lstat, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import type { Assertion } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import type { UserAssertion } from '../driver.ts'

const LONGEST_MS = 300_000

/** One that fails or cannot be asked is a red assertion. */
export async function userAssertions(tree: string, assertions: readonly UserAssertion[], signal: AbortSignal): Promise<Assertion[]> {
  const results: Assertion[] = []
  for (const { name, path, exists, run: program } of assertions) {
    signal.throwIfAborted()
    results.push(
      Array.isArray(program)
        ? await runs(name, tree, program.map(String), signal)
        : await isThere(name, tree, String(path), exists === true),
    )
  }
  return results
}

async function isThere(name: string, tree: string, path: string, wanted: boolean): Promise<Assertion> {
  const said = (there: boolean) => `${path} is ${there ? '' : 'not '}there`
  const expected = said(wanted)
  const full = resolve(tree, path.replace(/^\/+/, ''))
  if (full !== tree && !full.startsWith(tree + sep)) return { name, ok: false, expected, actual: `${path} leads out of the tree` }
  const there = await lstat(full).then(
    () => true,
    () => false,
  )
  return { name, ok: there === wanted, expected, actual: said(there) }
}

async function runs(name: string, tree: string, [program = '', ...args]: string[], signal: AbortSignal): Promise<Assertion> {
  const expected = 'exits with 0'
  try {
    await run({ program, args, cwd: await realpath(join(tree)) }, { signal, timeoutMs: LONGEST_MS, maxOutputBytes: 64 * 1024 })
    return { name, ok: true, expected, actual: expected }
  } catch (error) {
    if (signal.aborted) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}
