/** What the READMEs of files and command say is done as it stands there. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { lookUp } from '../../scripts/toolbox/find.ts'
import { askLedger, ledger, ledgerCommands, ledgerContents, TOKEN } from '../../scripts/sources/command.ts'
import { nextOfOthers } from '../../src/cli/offline-others.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import type { Manifest } from '../../src/core/records.ts'
import { commandSource } from '../../src/drivers/command/config.ts'
import { createCommand } from '../../src/drivers/command/index.ts'
import { filesSource } from '../../src/drivers/files/config.ts'
import { createFiles } from '../../src/drivers/files/index.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { shellWord } from '../../src/core/shell.ts'
import { nextRequest, takePoint } from '../conformance/driver.ts'
import { dir, repository, root, useFolder } from '../support/files/live.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

const readmes = {
  files: await readFile('src/drivers/files/README.md', 'utf8'),
  command: await readFile('src/drivers/command/README.md', 'utf8'),
}
const blocks = (readme: keyof typeof readmes, mark: string) =>
  [...readmes[readme].matchAll(new RegExp(`\`\`\`${mark}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '')

useFolder()

const shell = (script: string, env: Record<string, string> = {}) =>
  run({ program: 'bash', args: ['-e', '-o', 'pipefail', '-c', script], cwd: dir, env }, { timeoutMs: 60_000 })

/** The stored objects and the key, as somebody has them who has nothing else. */
async function fetchAll(manifest: Manifest): Promise<void> {
  for (const { key } of manifest.artifacts) {
    const chunks: Buffer[] = []
    for await (const chunk of await repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
    await writeFile(join(dir, key.slice(key.lastIndexOf('/') + 1)), Buffer.concat(chunks))
  }
  await writeFile(join(dir, 'identity.txt'), await readFile(repository.identity.file))
}

it.each(['files', 'command'] as const)('the configurations of %s hold', (readme) => {
  const examples = blocks(readme, 'yaml')
  expect(examples.length).toBeGreaterThan(0)
  for (const example of examples) {
    const { sources } = parse(example) as { sources: Record<string, unknown> }
    for (const source of Object.values(sources)) expect(sourceSchema.parse(source)).toMatchObject({ driver: readme })
  }
})

it('a tree is opened by age, zstd and tar, with its index', async () => {
  await fillTree(root)
  const driver = createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root }))
  const manifest = await takePoint(driver, repository, nextRequest())
  await fetchAll(manifest)
  await mkdir(join(dir, 'restored'))
  await shell(blocks('files', 'sh restore')[0] ?? 'exit 1')
  expect(await describeTree(join(dir, 'restored'))).toBe(await describeTree(root))
  const lines = (await readFile(join(dir, 'index.jsonl'), 'utf8')).trimEnd().split('\n')
  expect(lines.length).toBe((await describeTree(root)).trimEnd().split('\n').length)
})

it('what an offline restore of files prints brings the tree back', async () => {
  await fillTree(root)
  const driver = createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root }))
  const manifest = await takePoint(driver, repository, nextRequest())
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  for (const artifact of manifest.artifacts) await source.toFile(artifact, join(dir, artifact.part))
  await shell(nextOfOthers(manifest, dir).join('\n'))
  expect(await describeTree(join(dir, 'tree'))).toBe(await describeTree(root))
})

it.runIf(lookUp('gpg') !== undefined)('with GPG inside, by the keyring too', async () => {
  await fillTree(root)
  const home = join(dir, 'g')
  await mkdir(home, { mode: 0o700 })
  const env = { GNUPGHOME: home }
  try {
    await run({
      program: 'gpg',
      args: ['--batch', '--passphrase', '', '--quick-generate-key', 'team@x.org', 'default', 'default', 'never'],
      env,
    })
    const driver = createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root, gpg: { recipients: ['team@x.org'], home } }))
    const manifest = await takePoint(driver, repository, nextRequest())
    await fetchAll(manifest)
    await mkdir(join(dir, 'restored'))
    await shell(blocks('files', 'sh gpg')[0] ?? 'exit 1', env)
    expect(await describeTree(join(dir, 'restored'))).toBe(await describeTree(root))
    const source = createSource({ store: repository.store, identityFile: repository.identity.file })
    for (const artifact of manifest.artifacts) await source.toFile(artifact, join(dir, artifact.part))
    await shell(nextOfOthers(manifest, dir).join('\n'), env)
    expect(await describeTree(join(dir, 'tree'))).toBe(await describeTree(root))
  } finally {
    await run({ program: 'gpgconf', args: ['--kill', 'all'], env })
  }
})

it("a store's contents are given to its own restore by hand", async () => {
  await askLedger('init', root)
  const commands = ledgerCommands(root)
  const driver = createCommand(commandSource.parse({ driver: 'command', repository: 'hot', commands, env: { LEDGER_WORD: 'word' } }), {
    source: 'ledger',
    secret: async () => TOKEN,
  })
  const manifest = await takePoint(driver, repository, nextRequest())
  await fetchAll(manifest)
  await mkdir(join(dir, 'scratch'))
  const program = ledger('restore', root).map(shellWord).join(' ')
  const [byHand = 'exit 1'] = blocks('command', 'sh restore')
  await shell(byHand.replace('/opt/ledger/bin/ledger restore', program))
  expect(await ledgerContents(join(dir, 'scratch'))).toBe(await ledgerContents(root))
  expect(nextOfOthers(manifest, dir)[0]).toContain(`< ${join(dir, 'data')}`)
})

it('the example for Elasticsearch is a script that bash can read', async () => {
  const [script = ''] = blocks('command', 'sh elasticsearch')
  await writeFile(join(dir, 'es'), script)
  await run({ program: 'bash', args: ['-n', join(dir, 'es')] })
})
