import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askLedger, ledgerCommands, ledgerContents, TOKEN } from '../../scripts/sources/command.ts'
import { commandSource } from '../../src/drivers/command/config.ts'
import { createCommand } from '../../src/drivers/command/index.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'

async function openHarness(): Promise<DriverHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-command-'))
  const root = join(dir, 'ledger')
  const scratchRoot = join(dir, 'scratch')
  await mkdir(root)
  await mkdir(scratchRoot)
  await askLedger('init', root)
  const config = commandSource.parse({
    driver: 'command',
    repository: 'hot',
    commands: ledgerCommands(root),
    env: { LEDGER_WORD: 'token' },
  })
  const entry = ({ dir: folder }: Target, number = 7) => join(folder, 'entries', String(number).padStart(8, '0'))
  const kept = new Map<string, string>()
  const rewrite = async (file: string, text: (before: string) => string) => {
    const before = await readFile(file, 'utf8')
    kept.set(file, before)
    await writeFile(file, text(before))
  }
  const undo = async (file: string) => writeFile(file, kept.get(file) ?? '')
  return {
    driver: createCommand(config, { source: 'ledger', secret: async () => TOKEN }),
    scratchRoot,
    state: () => ledgerContents(root),
    leftovers: async () => (await readdir(root)).filter((name) => !['entries', 'id', 'token'].includes(name)),
    alive: (folder) =>
      stat(folder).then(
        () => true,
        () => false,
      ),
    leaks: async (target) => (((await stat(target.dir)).mode & 0o077) === 0 ? [] : ['others may enter']),
    assertions: {
      holds: { name: 'entries', run: ['sh', '-c', 'test -d "$HOLDFAST_DIR/entries" && test "$HOLDFAST_TARGET" = scratch'] },
      red: [
        { name: 'fails', run: ['false'] },
        { name: 'no program', run: ['/no/such/program'] },
      ],
    },
    tamperings: [
      {
        name: 'an altered amount',
        change: (target) => rewrite(entry(target), (text) => text.replace(/"amount":\d+/, '"amount":1000')),
        undo: (target) => undo(entry(target)),
        red: /^(chain|count balance in cents)$/,
      },
      {
        name: 'an amount that is none',
        change: (target) => rewrite(entry(target, 99), (text) => text.replace(/"amount":\d+/, '"amount":"x"')),
        undo: (target) => undo(entry(target, 99)),
        red: /^(amounts|count balance in cents)$/,
      },
      {
        name: 'a missing last entry',
        change: async (target) => {
          await rewrite(entry(target, 99), (text) => text)
          await rm(entry(target, 99))
        },
        undo: (target) => undo(entry(target, 99)),
        red: /^count /,
      },
      {
        name: 'an entry that cannot be read',
        change: (target) => rewrite(entry(target), () => '{'),
        undo: (target) => undo(entry(target)),
        red: /^(verify|counts)$/,
      },
    ],
    close: () => rm(dir, { recursive: true, force: true }),
  }
}

describeDriver('command', openHarness)
