/**
 * Everything secret of the sample in docker-compose.yml, made at its first start into a volume: no secret stands in a
 * file of the project. `node scripts/compose/keys.ts /keys`
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateSigningKey } from '../../src/catalog/signing.ts'
import { run } from '../../src/process/run.ts'
import { makeCertificate } from '../toolbox/certificate.ts'
import { findProgram } from '../toolbox/find.ts'
import { sampleConfig } from './sample-config.ts'

/** Writes the folder's `made`, whole or not at all; one that is there is kept. */
export async function makeKeys(folder: string, names = ['DNS:s3', 'DNS:localhost', 'IP:127.0.0.1']): Promise<string> {
  const made = join(folder, 'made')
  if (existsSync(made)) return made
  const fresh = join(folder, 'making')
  await rm(fresh, { recursive: true, force: true })
  await mkdir(join(fresh, 'tls'), { recursive: true })
  const secret = (name: string, value: string) => writeFile(join(fresh, name), value, { mode: 0o600 })

  await makeCertificate(join(fresh, 'tls'), names)
  const identity = join(fresh, 'identity.txt')
  await run({ program: findProgram('age-keygen'), args: ['-o', identity] })
  const recipient = (await run({ program: findProgram('age-keygen'), args: ['-y', identity] })).stdout.trim()
  const signing = generateSigningKey()
  const password = randomBytes(24).toString('hex')
  await secret('signing.pem', signing.privateKeyPem)
  await secret('s3-access-key', `sample-${randomBytes(4).toString('hex')}`)
  await secret('s3-secret-key', randomBytes(24).toString('hex'))
  await secret('pg-password', password)
  await secret('pgbackrest-passphrase', randomBytes(24).toString('hex'))
  await secret('connection', `host=east port=5432 user=postgres dbname=shop password=${password}`)
  await writeFile(join(fresh, 'holdfast.yaml'), sampleConfig({ keys: made, recipient, publicKey: signing.publicKey }))
  // PostgreSQL's user passes through to the authority's certificate, and reads nothing else.
  for (const [path, mode] of [
    [fresh, 0o711],
    [join(fresh, 'tls'), 0o711],
    [join(fresh, 'tls', 'ca.pem'), 0o644],
    [join(fresh, 'tls', 'ca.key'), 0o600],
  ] as const)
    await chmod(path, mode)
  await rename(fresh, made)
  return made
}

if (import.meta.main) {
  const [folder = '/keys'] = process.argv.slice(2)
  process.stdout.write(`keys and holdfast.yaml are in ${await makeKeys(folder)}\n`)
}
