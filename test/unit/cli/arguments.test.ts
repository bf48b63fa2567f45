import { readFileSync } from 'node:fs'
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

  it('--offline says what it needs', async () => {
    expect(await holdfast('restore', 'orders', '--offline')).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining('--repository folder:'),
    })
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
