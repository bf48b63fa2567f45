import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeys } from 'nats'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificate } from '../../scripts/toolbox/certificate.ts'
import { type NatsOptions, type NatsServer, startNats } from '../../scripts/toolbox/nats.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { natsSource } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { startScratch, destroyScratch, makeScratch } from '../../src/drivers/nats/server.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { contextFor } from '../conformance/driver.ts'

const SECRET = 'a-secret-that-nobody-says'
let server: NatsServer | undefined
let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-nats-connect-'))
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  await rm(dir, { recursive: true, force: true })
})

const start = async (options: NatsOptions): Promise<NatsServer> => {
  server = await startNats(options)
  return server
}

/** What a preflight says; there is no stream, so it ends where it was let in. */
async function preflight(servers: string[], more: Record<string, unknown> = {}) {
  const config = natsSource.parse({ driver: 'nats', repository: 'hot', servers, programs: { server: findProgram('nats-server') }, ...more })
  const driver = await createDriver(config, { source: 'events', secret: async (reference) => reference })
  return driver.preflight(contextFor()).then(
    ({ findings }) => findings.find(({ name }) => name === 'streams')?.detail,
    (error: unknown) => error as Error,
  )
}
const IN = 'there is no stream to back up'

describe('credentials', () => {
  it('a user with a password is let in; a wrong one is told so, and not said', async () => {
    const { url } = await start({ config: `authorization { user: holdfast, password: "${SECRET}" }` })
    expect(await preflight([url], { user: 'holdfast', password: SECRET })).toBe(IN)
    for (const more of [{ user: 'holdfast', password: `${SECRET}!` }, { token: `${SECRET}!` }, {}]) {
      const error = await preflight([url], more)
      expect(error).toMatchObject({ code: 'SOURCE_UNFIT', retryable: false, message: expect.stringContaining('refuses the credentials') })
      expect(JSON.stringify([(error as Error).message, error])).not.toContain(SECRET)
    }
  })

  it('a key is let in; what is no key is told before the server is asked', async () => {
    const user = nkeys.createUser()
    const { url } = await start({ config: `authorization { users: [{ nkey: ${user.getPublicKey()} }] }` })
    const seed = new TextDecoder().decode(user.getSeed())
    expect(await preflight([url], { nkeySeed: seed })).toBe(IN)
    for (const more of [{ nkeySeed: SECRET }, { credentials: SECRET }]) {
      const error = await preflight([url], more)
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(JSON.stringify([(error as Error).message, error])).not.toContain(SECRET)
    }
  })

  it('TLS holds to the authority that is named', async () => {
    const { caFile, certFile, keyFile } = await makeCertificate(dir)
    const { port } = await start({ config: `tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)} }` })
    const url = `tls://127.0.0.1:${port}`
    expect(await preflight([url], { tls: { caFile } })).toBe(IN)
    expect(await preflight([url])).toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    expect(await preflight([url], { tls: { caFile: join(dir, 'none.pem') } })).toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('a server', () => {
  it('that is not there is an error that a retry may help; one of several is enough', async () => {
    const nobody = `nats://127.0.0.1:${await freePort()}`
    expect(await preflight([nobody])).toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true, object: nobody })
    const { url } = await start({})
    expect(await preflight([nobody, url])).toBe(IN)
  })

  it('without JetStream for the account, or for the domain, is told', async () => {
    const { url } = await start({ config: 'accounts { APP: { users: [{ user: app, password: app }] } }' })
    expect(await preflight([url], { user: 'app', password: 'app' })).toMatchObject({
      message: expect.stringMatching(/JetStream not enabled/),
    })
    expect(await preflight([url], { user: 'app', password: 'app', jsDomain: 'nowhere' })).toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      next: expect.stringContaining('jsDomain'),
    })
  })

  it('in another domain is reached by its name', async () => {
    const { url } = await start({ domain: 'hub' })
    expect(await preflight([url], { jsDomain: 'hub' })).toBe(IN)
  })
})

describe('a scratch server', () => {
  it('is found again, also by another process and after it was killed, and is destroyed by whoever comes', async () => {
    const scratch = join(dir, 'scratch')
    await makeScratch(scratch)
    const program = findProgram('nats-server')
    await startScratch(program, scratch)
    const [first] = await processesIn(scratch)
    await startScratch(program, scratch)
    expect((await processesIn(scratch)).map(({ pid }) => pid)).toEqual([first?.pid])
    process.kill(first?.pid ?? 0, 'SIGKILL')
    await expect.poll(() => processesIn(scratch)).toEqual([])
    await startScratch(program, scratch)
    expect(await processesIn(scratch)).toHaveLength(1)
    await destroyScratch(scratch)
    await destroyScratch(scratch)
    expect(await processesIn(scratch)).toEqual([])
  })

  it('that cannot start says why; a folder of somebody else is not touched', async () => {
    const scratch = join(dir, 'scratch')
    await makeScratch(scratch)
    await expect(startScratch('false', scratch)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    await expect(startScratch(join(dir, 'none'), scratch)).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    await expect(destroyScratch(import.meta.dirname)).rejects.toThrow()
  })
})
