/** A store of one's own that knows how to back itself up: see ledger.ts. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/process/run.ts'
import type { OpenSample } from './sample.ts'

const LEDGER = fileURLToPath(new URL('./ledger.ts', import.meta.url))
export const TOKEN = 'ledger-token-3141592653'

/** A program of the ledger in the folder. */
export const ledger = (verb: string, root: string): string[] => [process.execPath, LEDGER, verb, root]

/** What stands in holdfast.yaml for it. */
export const ledgerCommands = (root: string): Record<string, string[]> =>
  Object.fromEntries(
    ['check', 'capture', 'restore', 'verify', 'counts', 'fingerprint', 'destroy'].map((verb) => [verb, ledger(verb, root)]),
  )

export async function askLedger(verb: string, root: string): Promise<void> {
  const [program = '', ...args] = ledger(verb, root)
  await run({ program, args, env: { LEDGER_WORD: TOKEN, HOLDFAST_TARGET: 'live' } })
}

/** All entries, as text. */
export async function ledgerContents(root: string): Promise<string> {
  const names = await readdir(join(root, 'entries')).catch(() => [] as string[])
  return (await Promise.all(names.sort().map((name) => readFile(join(root, 'entries', name), 'utf8')))).join('\n')
}

export const openCommand: OpenSample = async (dir) => {
  const root = join(dir, 'ledger')
  await mkdir(root)
  await askLedger('init', root)
  return {
    driver: 'command',
    config: { commands: ledgerCommands(root), env: { LEDGER_WORD: '${env:LEDGER_WORD}' }, timeout: '10m' },
    env: { LEDGER_WORD: TOKEN },
    contents: () => ledgerContents(root),
    change: () => askLedger('add', root),
    // What a program makes that finds its store empty.
    async destroy() {
      await askLedger('lose', root)
      await mkdir(join(root, 'entries'))
    },
    leftovers: async () => (await readdir(root)).filter((name) => !['entries', 'id', 'token'].includes(name)),
    close: async () => {},
  }
}
