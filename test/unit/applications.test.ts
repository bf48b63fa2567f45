/** Applications around a recovery; kubectl and systemctl are fakes on PATH, since no cluster and no systemd is here. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openApplication } from '../../src/applications/application.ts'
import { applicationSchema } from '../../src/config/schema.ts'

const FAKES = join(import.meta.dirname, '..', 'support', 'fakes')
const { signal } = new AbortController()
let dir: string
let file: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-applications-'))
  file = join(dir, 'state')
  vi.stubEnv('PATH', [FAKES, dirname(process.execPath), process.env['PATH']].join(delimiter))
  vi.stubEnv('FAKE_STATE', file)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(dir, { recursive: true, force: true })
})

const set = (state: object) => writeFile(file, JSON.stringify(state))
const state = async () => JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
const open = (config: object) => openApplication(applicationSchema.parse(config))

describe('a workload of Kubernetes', () => {
  const API = { type: 'kubernetes', workload: 'deployment/mind-api', namespace: 'mind-production', timeout: '10s' }
  const five = { workload: 'deployment/mind-api', namespace: 'mind-production', replicas: 5, running: 5 }

  it('is scaled to none, waited for, and back to the number that it had', async () => {
    await set(five)
    const api = open(API)
    const before = await api.inspect(signal)
    await api.stop(signal)
    expect(await state()).toMatchObject({ replicas: 0, running: 0 })
    await api.start(before, signal)
    expect(await state()).toMatchObject({ replicas: 5, running: 5 })
    expect(await readFile(`${file}.log`, 'utf8')).toContain('rollout status deployment/mind-api')
  })

  it('that ran with none is left at none', async () => {
    await set({ ...five, replicas: 0, running: 0 })
    const api = open(API)
    const before = await api.inspect(signal)
    await api.stop(signal)
    await api.start(before, signal)
    expect(await state()).toMatchObject({ replicas: 0 })
  })

  it('that is not there is an error that names it', async () => {
    await set(five)
    await expect(open({ ...API, namespace: 'mind-staging' }).inspect(signal)).rejects.toThrow(/mind-staging/)
  })
})

describe('a unit of systemd', () => {
  const UNIT = { type: 'systemd', unit: 'resonant-api' }

  it('is stopped, and started again where it ran', async () => {
    await set({ 'resonant-api': 'active' })
    const api = open(UNIT)
    const before = await api.inspect(signal)
    await api.stop(signal)
    expect(await state()).toEqual({ 'resonant-api': 'inactive' })
    await api.start(before, signal)
    expect(await state()).toEqual({ 'resonant-api': 'active' })
  })

  it('that did not run stays down', async () => {
    await set({ 'resonant-api': 'inactive' })
    const api = open(UNIT)
    await api.start(await api.inspect(signal), signal)
    expect(await state()).toEqual({ 'resonant-api': 'inactive' })
  })

  it('that does not come up is told', async () => {
    await set({ 'resonant-api': 'active', 'resonant-api.fails': true })
    await expect(open(UNIT).start({ running: true }, signal)).rejects.toMatchObject({ code: 'CHECK_FAILED', object: 'resonant-api' })
  })
})

describe('commands of its own', () => {
  const commands = () => ({
    type: 'command',
    stop: ['rm', '-f', join(dir, 'up')],
    start: ['touch', join(dir, 'up')],
    running: ['test', '-e', join(dir, 'up')],
  })

  it('stop it and start it, and say whether it ran', async () => {
    const api = open(commands())
    expect(await api.inspect(signal)).toEqual({ running: false })
    await api.start({ running: true }, signal)
    expect(await api.inspect(signal)).toEqual({ running: true })
    await api.stop(signal)
    await api.stop(signal)
    expect(await api.inspect(signal)).toEqual({ running: false })
  })

  it('without a way to ask, it is taken to run', async () => {
    const { running: _, ...blind } = commands()
    expect(await open(blind).inspect(signal)).toEqual({ running: true })
  })
})
