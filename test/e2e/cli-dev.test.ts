/** From nothing to a run in two commands: init, and dev, which ends with everything that it started. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { answer, interrupt, refusal } from '../support/cli.ts'

let dir: string
let config: string
let port: number
let uiPort: number
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-dev-test-'))
  config = join(dir, 'holdfast.yaml')
  port = await freePort()
  uiPort = await freePort()
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const listens = (at: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(at, '127.0.0.1')
    const end = (open: boolean) => {
      socket.destroy()
      resolve(open)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
const dev = () => ['dev', '--config', config, '--ui-port', String(uiPort)]

describe('holdfast dev', { timeout: 400_000 }, () => {
  it('serves Temporal, its UI and every role; Ctrl-C stops both, and leaves nothing', async () => {
    await answer(['init', '--config', config])
    await writeFile(config, (await readFile(config, 'utf8')).replace('127.0.0.1:7233', `127.0.0.1:${port}`))
    const env = { TMPDIR: join(dir, 'repository') }
    const { code, stdout, stderr } = await interrupt(['--json', ...dev()], /"roles"[\s\S]*\}/, {
      env,
      meanwhile: async (said) => {
        expect(JSON.parse(said)).toEqual({ address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, roles: 'control,data' })
        const { findings } = await answer<{ findings: { name: string; object: string; ok: boolean }[] }>(
          ['doctor', '--only', 'temporal', '--config', config],
          3,
        )
        expect(findings.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['schedules'])
        expect(await refusal(dev())).toMatchObject({ code: 'BUSY', exitCode: 5, object: `127.0.0.1:${port}` })
        // The worker takes runs up: this one ends in a refusal of its own.
        expect(await refusal(['list', 'nobody', '--config', config])).toMatchObject({ code: 'NOT_FOUND' })
        expect(await refusal(['backup', 'nobody', '--config', config])).toMatchObject({ code: 'NOT_FOUND', exitCode: 6 })
      },
    })
    expect(code, stderr).toBe(0)
    // Its log: one structured line each, the SDK's own too.
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: expect.stringMatching(/warn|error/) })
    expect(stdout).toMatch(/^\{/)
    expect([await listens(port), await listens(uiPort)]).toEqual([false, false])
    expect(await readdir(env.TMPDIR)).toEqual([])
  })

  it('starts a server on this machine only', async () => {
    await writeFile(config, (await readFile(config, 'utf8')).replace(`127.0.0.1:${port}`, 'temporal.example.com:7233'))
    expect(await refusal(dev())).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2, next: expect.stringContaining('holdfast worker') })
  })
})
