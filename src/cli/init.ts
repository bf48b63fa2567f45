/** The first files of an installation: a configuration to fill in, and the two keys that nothing can replace. */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { generateSigningKey } from '../catalog/signing.ts'
import { HoldfastError } from '../core/errors.ts'
import { run } from '../process/run.ts'
import { configTemplate } from './template.ts'

export interface Initialised {
  config: string
  identityFile: string
  signingKeyFile: string
  recipient: string
  publicKey: string
  keepSafe: string[]
  next: string[]
}

/** Overwrites nothing: where one of the files is there, none is written. */
export async function initialise(configFile: string, keysFolder?: string): Promise<Initialised> {
  const config = resolve(configFile)
  const keys = resolve(keysFolder ?? join(dirname(config), 'keys'))
  const identityFile = join(keys, 'identity.txt')
  const signingKeyFile = join(keys, 'signing.pem')
  for (const file of [config, identityFile, signingKeyFile]) await requireAbsent(file)

  const identity = (await run({ program: 'age-keygen', args: [] })).stdout
  const recipient = /public key: (age1\w+)/.exec(identity)?.[1]
  if (!recipient) throw new HoldfastError('PROCESS_FAILED', 'age-keygen named no public key', { object: 'age-keygen' })
  const { privateKeyPem, publicKey } = generateSigningKey()
  const parts = {
    folder: dirname(config),
    file: basename(config),
    recipient,
    identityFile,
    signingKeyFile,
    publicKey,
    keyId: `key-${new Date().getUTCFullYear()}`,
  }

  await mkdir(dirname(config), { recursive: true })
  await mkdir(join(dirname(config), 'repository'), { recursive: true, mode: 0o700 })
  await mkdir(keys, { recursive: true, mode: 0o700 })
  await writeNew(identityFile, identity, 0o600)
  await writeNew(signingKeyFile, privateKeyPem, 0o600)
  await writeNew(config, configTemplate(parts), 0o644)
  return {
    config,
    identityFile,
    signingKeyFile,
    recipient,
    publicKey,
    keepSafe: [
      'keep safe, away from this machine and from the repository:',
      `  ${identityFile}: without it no backup can ever be read again`,
      `  the public key ${parts.keyId}=${publicKey}: without it nobody can tell a planted backup from yours`,
      `keep secret: ${signingKeyFile}: whoever has it can plant a backup. Lost, it is replaced by a new one`,
    ],
    next: [`next: fill in ${config}, then holdfast doctor --config ${config}`],
  }
}

async function requireAbsent(file: string): Promise<void> {
  const there = await stat(file).then(
    () => true,
    () => false,
  )
  if (there) throw existing(file)
}

/** Refuses with INPUT_INVALID where it is there. */
export async function writeNew(file: string, text: string, mode: number): Promise<void> {
  await writeFile(file, text, { mode, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw existing(file)
    throw new HoldfastError('INPUT_INVALID', `${file} cannot be written: ${error.message}`, { object: file, cause: error })
  })
}

function existing(file: string): HoldfastError {
  return new HoldfastError('INPUT_INVALID', `${file} is there already and is not overwritten`, {
    object: file,
    next: 'name another file; for holdfast init: --config <file> --keys <folder>',
  })
}
