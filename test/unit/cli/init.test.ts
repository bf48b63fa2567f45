import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { publicKeyOfPem } from '../../../src/catalog/signing.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { selectionOf } from '../../../src/drivers/files/selection.ts'
import { walk } from '../../../src/drivers/files/walk.ts'
import { run } from '../../../src/process/run.ts'
import { holdfast } from './support.ts'

let dir: string
let config: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-init-'))
  config = join(dir, 'new', 'holdfast.yaml')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

describe('holdfast init', () => {
  it('writes a configuration that is valid and fits the keys, which only the owner may read', async () => {
    const { code, stdout } = await holdfast('init', '--json', '--config', config)
    expect(code).toBe(0)
    const { identityFile, signingKeyFile } = JSON.parse(stdout)
    const { encryption, signing } = await loadConfig(config)
    expect(encryption.recipients).toEqual([(await run({ program: 'age-keygen', args: ['-y', identityFile] })).stdout.trim()])
    expect(signing.publicKeys[signing.keyId]).toBe(publicKeyOfPem(await readFile(signingKeyFile, 'utf8'), signing))
    for (const file of [identityFile, signingKeyFile]) expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  it('says what to keep safe, and shows no secret', async () => {
    const { stdout, stderr } = await holdfast('init', '--config', config)
    expect(stdout).toMatch(/keep safe[\s\S]*identity\.txt: without it no backup can ever be read again/)
    expect(stdout + stderr).not.toMatch(/AGE-SECRET-KEY|PRIVATE KEY/)
    expect(await readFile(config, 'utf8')).not.toMatch(/AGE-SECRET-KEY|PRIVATE KEY/)
  })

  it('backs up the configuration itself, and of the keys and the repository beside it nothing', async () => {
    await holdfast('init', '--config', config)
    const { sources } = await loadConfig(config)
    const source = sources['holdfast-config']
    if (source?.driver !== 'files') throw new Error('the configuration is no source')
    const found: string[] = []
    for await (const { path } of walk(source.root, selectionOf(source))) found.push(path)
    expect(found).toEqual(['.', 'holdfast.yaml'])
  })

  it('overwrites nothing, and writes nothing at all where one file is there', async () => {
    const keys = join(dir, 'keys')
    await holdfast('init', '--config', join(dir, 'other.yaml'), '--keys', keys)
    const before = await readFile(join(keys, 'identity.txt'), 'utf8')
    expect(await holdfast('init', '--config', config, '--keys', keys)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('not overwritten'),
    })
    expect(await readFile(join(keys, 'identity.txt'), 'utf8')).toBe(before)
    await expect(stat(config)).rejects.toThrow('ENOENT')

    const kept = join(dir, 'kept.yaml')
    await writeFile(kept, 'mine')
    expect((await holdfast('init', '--config', kept, '--keys', join(dir, 'more'))).code).toBe(2)
    expect(await readFile(kept, 'utf8')).toBe('mine')
    await expect(stat(join(dir, 'more'))).rejects.toThrow('ENOENT')
  })
})
