/** What the programs of a source print, read line by line. */
import type { Assertion } from '../../core/records.ts'

/** `name value`, the value being the last word; what is no such line is passed over. */
export function countsIn(text: string): Record<string, string> {
  const found = text.split('\n').flatMap((line) => {
    const [, name, value] = /^\s*(\S.*?)\s+(\S+)\s*$/.exec(line) ?? []
    return name !== undefined && value !== undefined && !name.startsWith('#') ? [[name, value] as const] : []
  })
  return Object.fromEntries(found)
}

/** `version name value` and `bytes number`. */
export function checkIn(text: string): { versions: Record<string, string>; bytes: number | undefined } {
  const lines = text.split('\n')
  const versions = lines.flatMap((line) => {
    const [, name, value] = /^version (\S+) (.+)$/.exec(line.trim()) ?? []
    return name !== undefined && value !== undefined ? [[name, value] as const] : []
  })
  const bytes = lines.map((line) => /^bytes (\d+)$/.exec(line.trim())?.[1]).find((found) => found !== undefined)
  return { versions: Object.fromEntries(versions), bytes: bytes === undefined ? undefined : Number(bytes) }
}

/** As of the Test Anything Protocol: `ok 1 - name`, `not ok name: why`, `1..3`. A plan that is not kept is a red assertion. */
export function assertionsIn(text: string): Assertion[] {
  const assertions: Assertion[] = []
  let planned: number | undefined
  for (const line of text.split('\n')) {
    const plan = /^1\.\.(\d+)\s*$/.exec(line)?.[1]
    if (plan !== undefined) planned = Number(plan)
    const [, not, words] = /^(not )?ok\b(?:\s+\d+\b)?\s*(?:-\s*)?(.*)$/.exec(line) ?? []
    if (words === undefined) continue
    const [name = '', why = ''] = not ? parted(words) : [words]
    assertions.push({
      name: name || `assertion ${assertions.length + 1}`,
      ok: !not,
      expected: 'ok',
      actual: not ? `not ok${why && `: ${why}`}` : 'ok',
    })
  }
  if (planned !== undefined && planned !== assertions.length)
    assertions.push({ name: 'plan', ok: false, expected: `${planned} assertions`, actual: `${assertions.length}` })
  return assertions
}

function parted(words: string): [string, string] {
  const at = words.indexOf(': ')
  return at < 0 ? [words, ''] : [words.slice(0, at), words.slice(at + 2)]
}
