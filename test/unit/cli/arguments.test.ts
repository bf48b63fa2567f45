import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cliPage } from '../../../scripts/cli-reference.ts'
import { createProgram, EXIT_MEANINGS } from '../../../src/cli/program.ts'
import { WORKFLOWS } from '../../../src/contract/inputs.ts'
import { UPDATES } from '../../../src/contract/messages.ts'
import { EXIT } from '../../../src/core/errors.ts'
import { holdfast } from './support.ts'

const { command: program } = createProgram({ serve: async () => {}, dev: async () => {}, openServices: () => ({}) as never })
const NOWHERE = ['--config', '/nowhere/holdfast.yaml']

describe('--help', () => {
  it.each(['', ...program.commands.map((command) => command.name())])('of "%s" documents every exit code', async (name) => {
    const { code, stdout } = await holdfast(...(name ? [name] : []), '--help')
    expect(code).toBe(EXIT.ok)
    for (const [key, meaning] of Object.entries(EXIT_MEANINGS)) expect(stdout).toContain(`${EXIT[key as keyof typeof EXIT]}  ${meaning}`)
  })

  it('has a description of every command and option', () => {
    for (const command of program.commands) {
      expect(command.description(), command.name()).not.toBe('')
      for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).not.toBe('')
    }
  })

  it('is what docs/cli.md says: else run node scripts/cli-reference.ts', () => {
    expect(readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8')).toBe(cliPage())
  })

  it('has a verb for every update', () => {
    const verbs = program.commands.map((command) => command.name().replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()))
    for (const update of Object.keys(UPDATES)) expect(verbs).toContain(update)
  })
})

describe('wrong words', () => {
  it.each([
    [['bakcup'], /unknown command/],
    [[], /a command is missing/],
    [['backup'], /missing required argument 'source'/],
    [['backup', 'orders', '--bogus'], /unknown option/],
    [['list', '--kind', 'weekly'], /one of manual, /],
    [['delete', 'orders', 'x'], /--confirm/],
    [['failover', 'orders'], /--reason/],
    [['attest-fenced', 'run', '--reason', 'gone'], /--second/],
  ])('%j are refused with exit code 2', async (args, message) => {
    const plain = await holdfast(...args)
    expect(plain).toMatchObject({ code: EXIT.usage, stdout: '' })
    expect(plain.stderr).toMatch(message)
    expect(plain.stderr).toMatch(/^next: holdfast.* --help$/m)
    const { code, stdout, stderr } = await holdfast('--json', ...args)
    expect([code, stdout]).toEqual([EXIT.usage, ''])
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'INPUT_INVALID', exitCode: EXIT.usage, object: null })
  })

  it.each([
    [['backup', 'orders', '--kind', 'nope'], 'backup'],
    [['verify', 'orders', '--depth', 'deep'], 'verifyRestore'],
    [['pitr', 'orders'], 'pointInTimeRecovery'],
    [['pitr', 'orders', '--time', '2026-01-15 12:00'], 'pointInTimeRecovery'],
    [['pitr', 'orders', '--latest', '--xid', '7'], 'pointInTimeRecovery'],
    [['failover', 'orders', '--reason', 'x', '--failed-at', 'noon'], 'failover'],
  ] as const)('%j are refused before any server is asked, with an example that works', async (args, type) => {
    const { code, stderr } = await holdfast('--json', ...NOWHERE, ...args)
    expect(code).toBe(EXIT.usage)
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'INPUT_INVALID', object: type })
    expect(JSON.parse(stderr).error.next).toContain(JSON.stringify(WORKFLOWS[type].example))
  })

  it.each([
    [['restore', '--offline']],
    [['restore', 'orders', '--offline', '--repository', 'folder:/b', '--identity', 'i', '--into', '/r']],
  ])('%j says all that it needs, and shows a whole example', async (args) => {
    const { code, stderr } = await holdfast(...args)
    expect(code).toBe(EXIT.usage)
    expect(stderr).toContain('needs a source, --repository, --identity, --public-key and --into')
    expect(stderr).toMatch(/next: holdfast restore --offline --repository folder:\S+ --identity \S+ --public-key \S+ --into \S+ orders$/m)
  })

  it.each([
    [['--offline', '--part', 'x'], '--part means nothing with --offline, which brings back all of a point'],
    [['--repository', 'folder:/b'], '--repository needs --offline'],
    [['--identity', 'i'], '--identity needs --offline'],
    [['--public-key', 'a=YQ=='], '--public-key needs --offline'],
    [['--engine-setting', 'a=b'], '--engine-setting needs --offline'],
    [['--offline', '--mode', 'upsert'], '--mode means nothing with --offline, which brings back all of a point'],
    [['--confirm', 'abc'], '--confirm needs --live'],
    [['--no-safety-backup'], '--no-safety-backup needs --live'],
    [['--offline', '--confirm', 'abc'], '--confirm needs --live'],
    [['--offline', '--live'], '--live and --offline exclude each other'],
  ])('restore with %j is refused: an option is never ignored', async (args, message) => {
    const { code, stderr } = await holdfast('--json', ...NOWHERE, 'restore', 'orders', ...args)
    expect([code, JSON.parse(stderr).error.message]).toEqual([EXIT.usage, message])
  })

  it.each([
    [['--lsn', 'zz'], '16/B374D848'],
    [['--xid', 'zz'], 'like 7431'],
    [['--latest', '--timeline', 'x'], 'a timeline is a whole number from 1, like 2'],
    [['--latest', '--timeline', '0'], 'a timeline is a whole number from 1, like 2'],
  ])('pitr with %j says what such a value looks like', async (args, looksLike) => {
    const { stderr } = await holdfast('--json', ...NOWHERE, 'pitr', 'orders', ...args)
    const { message } = JSON.parse(stderr).error
    expect(message).toContain(looksLike)
    expect(message).not.toMatch(/NaN|pattern/)
  })

  it('a run without an id is refused before any server is asked', async () => {
    const { code, stderr } = await holdfast('--json', ...NOWHERE, 'status', '--run', '')
    expect([code, JSON.parse(stderr).error.code]).toEqual([EXIT.usage, 'INPUT_INVALID'])
  })

  it('a wrong configuration is looked at again where it lies', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-arguments-'))
    const file = join(dir, 'other.yaml')
    try {
      writeFileSync(file, 'sauces: {}\n')
      const { stderr } = await holdfast('--json', '--config', file, 'list')
      expect(JSON.parse(stderr).error).toMatchObject({
        code: 'CONFIG_INVALID',
        next: `correct the named keys in ${file} and run holdfast doctor --config ${file}`,
      })
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it('a missing configuration is named, with how to give it', async () => {
    const { code, stderr } = await holdfast('--json', ...NOWHERE, 'list')
    expect(code).toBe(EXIT.usage)
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'CONFIG_INVALID',
      object: '/nowhere/holdfast.yaml',
      next: expect.stringContaining('--config'),
    })
  })

  it('doctor knows its areas', async () => {
    expect(await holdfast('doctor', '--only', 'moon')).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining('repositories') })
  })
})

describe('words in any order', () => {
  it('global options may stand behind the command', async () => {
    const { stderr } = await holdfast('list', '--json', ...NOWHERE)
    expect(JSON.parse(stderr).error.object).toBe('/nowhere/holdfast.yaml')
  })

  it('an option that may be given again does not swallow what follows', async () => {
    const offline = ['restore', '--offline', '--repository', 'folder:/nowhere', '--identity', '/nowhere/id', '--into', '/nowhere/new']
    const { stderr } = await holdfast(...offline, '--public-key', 'a=YQ==', 'orders')
    expect(stderr).not.toContain('missing required argument')
  })
})
