import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../../src/config/load.ts'
import { openSigner } from '../../../src/config/signer.ts'
import { run } from '../../../src/process/run.ts'
import { holdfast } from './support.ts'

let dir: string
let config: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-signing-'))
  config = join(dir, 'holdfast.yaml')
  await holdfast('init', '--config', config)
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const file = () => join(dir, 'signing-next.pem')
const make = (...words: string[]) => holdfast('--config', config, '--json', 'new-signing-key', file(), ...words)
async function rotate(publicKey: string, privateKeyFile: string): Promise<void> {
  const settings = parse(await readFile(config, 'utf8')) as { signing: { publicKeys: object } }
  const publicKeys = { ...settings.signing.publicKeys, next: publicKey }
  await writeFile(config, stringify({ ...settings, signing: { keyId: 'next', privateKeyFile, publicKeys } }))
}
const opened = async () => openSigner((await loadConfig(config)).signing)

describe('a new signing key', () => {
  it('is made for its owner only, and signs once it stands in the configuration', async () => {
    const { stdout } = await make('--id', 'next')
    const { keyId, publicKey } = JSON.parse(stdout) as { keyId: string; publicKey: string }
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    expect(stdout).not.toContain('PRIVATE')
    await rotate(publicKey, 'signing-next.pem')
    expect([keyId, (await opened())?.keyId]).toEqual(['next', 'next'])
  })

  it('takes the name of no other, and the place of no file', async () => {
    const { signing } = await loadConfig(config)
    expect(await make('--id', signing.keyId)).toMatchObject({ code: 2, stderr: expect.stringContaining('has a key') })
    expect((await make('--id', 'next')).code).toBe(0)
    const before = await readFile(file(), 'utf8')
    expect(await make('--id', 'next')).toMatchObject({ code: 2, stderr: expect.stringContaining('not overwritten') })
    expect(await readFile(file(), 'utf8')).toBe(before)
  })

  it.each([
    '',
    ' ',
    'next year',
    'a/b',
    '../up',
    'a=b',
    'a:b',
    '-x',
    '__proto__',
    '2027',
    'tab\there',
    'line\n',
    'esc\u001b[31m',
    'ключ',
    'x'.repeat(64),
  ])('is not called %j: nothing is made, and the refusal says what a name is', async (id) => {
    const { code, stderr } = await make(`--id=${id}`)
    expect(code).toBe(2)
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('begins with a letter') })
    await expect(stat(file())).rejects.toThrow('ENOENT')
  })

  it.each(['key-2027', 'Db1', 'host.example.com', 'a_b'])('may be called %s', async (id) => {
    expect(await make('--id', id)).toMatchObject({ code: 0, stdout: expect.stringContaining(`"keyId": "${id}"`) })
  })

  it('that openssl makes does as well', async () => {
    await run({ program: 'openssl', args: ['genpkey', '-algorithm', 'ed25519', '-out', file()] })
    const shown = await run({ program: 'sh', args: ['-c', 'openssl pkey -in "$0" -pubout -outform DER | tail -c 32 | base64', file()] })
    await rotate(shown.stdout.trim(), 'signing-next.pem')
    expect((await opened())?.keyId).toBe('next')
  })

  it('under the id of another is refused before anything is signed', async () => {
    const { stdout } = await make('--id', 'next')
    const { signing } = await loadConfig(config)
    await rotate((JSON.parse(stdout) as { publicKey: string }).publicKey, signing.privateKeyFile ?? '')
    await expect(opened()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      object: 'next',
      message: expect.stringContaining('is not the private key of "next"'),
    })
  })
})
