/**
 * A small store as a team may have built itself: entries in files, each with the digest of the one before. It backs itself
 * up: `ledger <verb> <folder>`, with its token in LEDGER_WORD. Talks to Holdfast by the environment of driver `command`.
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Entry {
  number: number
  amount: number
  previous: string
}

const { HOLDFAST_DIR: scratch = '', HOLDFAST_TARGET: target, LEDGER_WORD: token } = process.env
const [verb = '', root = ''] = process.argv.slice(2)
const live = join(root, 'entries')
const place = target === 'scratch' ? join(scratch, 'entries') : live

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')
const entriesOf = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
const numbers = (folder: string): Entry[] => entriesOf(folder).map((text) => JSON.parse(text) as Entry)

function write(folder: string, texts: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  for (const [at, text] of texts.entries()) writeFileSync(join(folder, String(at).padStart(8, '0')), text)
}

function chained(count: number): string[] {
  let previous = ''
  return Array.from({ length: count }, (_, number) => {
    const text = JSON.stringify({ number, amount: (number * 37) % 101, previous } satisfies Entry)
    previous = digestOf(text)
    return text
  })
}

const VERBS: Readonly<Record<string, () => void>> = {
  init() {
    mkdirSync(root, { recursive: true })
    writeFileSync(join(root, 'id'), randomUUID())
    writeFileSync(join(root, 'token'), token ?? '', { mode: 0o600 })
    write(live, chained(Number(process.argv[4] ?? 100)))
  },
  add() {
    const texts = entriesOf(live)
    const entry: Entry = { number: texts.length, amount: 5, previous: texts.length > 0 ? digestOf(texts.at(-1) ?? '') : '' }
    write(live, [...texts, JSON.stringify(entry)])
  },
  check() {
    requireToken()
    process.stdout.write(`version ledger 1.0\nbytes ${entriesOf(live).join('').length}\n`)
  },
  capture() {
    requireToken()
    const texts = entriesOf(live)
    process.stdout.write(`${[...texts, JSON.stringify({ end: texts.length })].join('\n')}\n`)
  },
  // Taken whole or not at all, and once more the same.
  restore() {
    if (target !== 'scratch') requireToken()
    const lines = readFileSync(0, 'utf8').trimEnd().split('\n')
    const { end } = JSON.parse(lines.pop() ?? '{}') as { end?: number }
    if (end !== lines.length) throw new Error('the end of the entries is missing')
    rmSync(`${place}.new`, { recursive: true, force: true })
    write(`${place}.new`, lines)
    rmSync(place, { recursive: true, force: true })
    renameSync(`${place}.new`, place)
  },
  verify() {
    const texts = entriesOf(place)
    const broken = texts.findIndex((text, at) => (JSON.parse(text) as Entry).previous !== (at === 0 ? '' : digestOf(texts[at - 1] ?? '')))
    const amounts = numbers(place).every(({ amount }) => typeof amount === 'number')
    process.stdout.write(`1..2\n${broken < 0 ? 'ok 1 - chain' : `not ok 1 - chain: entry ${broken} does not follow`}\n`)
    process.stdout.write(`${amounts ? 'ok' : 'not ok'} 2 - amounts\n`)
  },
  counts() {
    const all = numbers(place)
    process.stdout.write(`entries ${all.length}\nbalance in cents ${all.reduce((sum, { amount }) => sum + amount, 0)}\n`)
  },
  fingerprint: () => void process.stdout.write(`ledger ${readFileSync(join(root, 'id'), 'utf8')}\n`),
  // For what a restore would leave beside its folder; this one leaves nothing.
  destroy: () => rmSync(`${place}.new`, { recursive: true, force: true }),
  lose: () => rmSync(live, { recursive: true, force: true }),
}

function requireToken(): void {
  if (!existsSync(join(root, 'token')) || readFileSync(join(root, 'token'), 'utf8') === token) return
  throw new Error(`the token ${token} is not the one of this ledger`)
}

try {
  const act = VERBS[verb]
  if (!act) throw new Error(`no verb ${verb}: ${Object.keys(VERBS).join(', ')}`)
  act()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
