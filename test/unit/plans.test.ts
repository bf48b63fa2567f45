/** docs/plans: what its tables name is there: commands with their options, keys of the examples, error codes, tests by path and name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { ERRORS } from '../../src/core/errors.ts'

const ROOT = new URL('../../', import.meta.url)
const at = (path: string) => new URL(path, ROOT)
const read = (path: string) => readFileSync(at(path), 'utf8')
const pages = readdirSync(at('docs/plans')).filter((name) => name !== 'README.md')
const { command: program } = createProgram({ serve: async () => {}, dev: async () => {}, openServices: () => ({}) as never })

/** One test of the third column; several have "; " between them. */
const TEST = /(?:; )?`(test\/[^`]+)` "([^"]+)"/g
const COLUMNS = ['the plan', 'here', 'shown by', 'instead, and why']
interface Row {
  line: number
  cells: string[]
}

/** The rows of all tables of a page, whose heads are the same everywhere. */
function rowsOf(page: string): Row[] {
  const lines = read(`docs/plans/${page}`).split('\n')
  return lines.flatMap((text, index) => {
    if (!text.startsWith('|') || /^[|\s-]+$/.test(text)) return []
    const cells = text
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
    return cells[0] === COLUMNS[0] ? [] : [{ line: index + 1, cells }]
  })
}
/** What stands in backticks, line by line: one that is not closed spoils no other. */
const spansOf = (text: string): string[] =>
  text.split('\n').flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, span]) => (span ?? '').replaceAll('\\|', '|')))

/** A whole title, as it is written there: half of one would soon fit everything. */
const titled = (source: string, name: string): boolean => ["'", '`', '"'].some((quote) => source.includes(`${quote}${name}${quote}`))

/** What of a command line the program would not take. */
function wrongIn(line: string): string | undefined {
  const [, verb = '', ...words] = line.split(/\s+/)
  const command = program.commands.find((one) => one.name() === verb)
  if (!command) return `no command ${verb}`
  const options = [...command.options, ...program.options]
  for (const [index, word] of words.entries()) {
    if (!/^--?[a-z]/.test(word)) continue
    const option = options.find(({ long, short }) => word === long || word === short)
    if (!option) return `no option ${word} of ${verb}`
    const value = words[index + 1]
    if (option.argChoices && value && !/[<…]/.test(value) && !option.argChoices.includes(value)) return `${word} takes no ${value}`
  }
  return undefined
}

/** `sources.orders.freshness`, or with what stands there: `sources.orders.freshness: 25h`. */
function hasKey(config: Config, span: string): boolean {
  const [path = '', ...value] = span.split(': ')
  const found = path.split('.').reduce<unknown>((here, key) => (here as Record<string, unknown> | undefined)?.[key], config)
  return found !== undefined && (value.length === 0 || String(found) === value.join(': '))
}

const TOP = /^(temporal|repositories|encryption|signing|sources|archives|sets|applications|projections|failoverGroups)\.[\w.-]+(: .*)?$/

describe.each(pages)('docs/plans/%s', (page) => {
  const rows = rowsOf(page)
  const text = read(`docs/plans/${page}`)
  const place = ({ line, cells }: Row) => `line ${line}: ${cells[0]}`

  it('has a test for every row, or says that it is not there', () => {
    expect(rows.length).toBeGreaterThan(20)
    for (const row of rows) {
      expect.soft(row.cells, place(row)).toHaveLength(COLUMNS.length)
      const [, , shown = '', instead = ''] = row.cells
      expect.soft(shown !== '' || /\bnot (yet|here): /.test(instead), place(row)).toBe(true)
    }
  })

  it('names tests that there are', () => {
    for (const row of rows) {
      const shown = row.cells[2] ?? ''
      expect.soft(shown.replaceAll(TEST, ''), place(row)).toBe('')
      for (const [, path = '', name = ''] of shown.matchAll(TEST))
        expect.soft(existsSync(at(path)) && titled(read(path), name), `${place(row)}: ${path} "${name}"`).toBe(true)
    }
  })

  it('names commands that the program takes', () => {
    const lines = spansOf(text).filter((span) => span.startsWith('holdfast '))
    expect(lines.length).toBeGreaterThan(5)
    for (const line of lines) expect.soft(wrongIn(line), line).toBeUndefined()
  })

  it('names keys that its example has', async () => {
    const folder = `examples/${page.replace('.md', '')}/`
    const examples = await Promise.all(readdirSync(at(folder)).map((file) => loadConfig(at(folder + file).pathname)))
    const keys = spansOf(text).filter((span) => TOP.test(span))
    expect(keys.length).toBeGreaterThan(5)
    for (const key of keys)
      expect
        .soft(
          examples.some((config) => hasKey(config, key)),
          key,
        )
        .toBe(true)
  })

  it('names error codes of the registry, and files that there are', () => {
    for (const { cells } of rows)
      for (const code of spansOf(cells.slice(1).join(' ')).filter((span) => /^[A-Z]+(_[A-Z]+)+$/.test(span)))
        expect.soft(Object.keys(ERRORS), code).toContain(code)
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) expect(existsSync(at(`docs/plans/${link}`)), link).toBe(true)
  })
})

describe('docs/plans/README.md', () => {
  const text = read('docs/plans/README.md')
  it('leads to every page, and names commands that there are', () => {
    for (const page of pages) expect(text).toContain(`](${page})`)
    for (const line of spansOf(text).filter((span) => span.startsWith('holdfast '))) expect(wrongIn(line), line).toBeUndefined()
  })
})
