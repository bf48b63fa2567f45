/** The keys that the configuration names, and the secrets that it refers to. */
import { stat } from 'node:fs/promises'
import { publicKeyOfPem } from '../../catalog/signing.ts'
import { readKeyFile } from '../../config/key-files.ts'
import type { Config } from '../../config/schema.ts'
import { isLiteral, isOwnText, resolveSecret } from '../../config/secrets.ts'
import { parseConnection } from '../../drivers/postgres-common/connect.ts'
import { run } from '../../process/run.ts'
import type { Findings } from './finding.ts'

export async function examineConfig(config: Config, findings: Findings): Promise<void> {
  const { sources, repositories, failoverGroups, encryption, signing } = config
  const count = (what: object, name: string) => `${Object.keys(what).length} ${name}`
  const shape = [count(sources, 'sources'), count(repositories, 'repositories'), count(failoverGroups, 'failover groups')]
  findings.well('holdfast.yaml', 'shape', shape.join(', '))
  await findings.guard('signing', 'private key', () => examineSigning(signing, findings))
  await findings.guard('encryption', 'identity', () => examineIdentity(encryption, findings))
}

async function examineSigning({ keyId, privateKeyFile, publicKeys }: Config['signing'], findings: Findings): Promise<void> {
  if (!privateKeyFile) return findings.well('signing', 'private key', 'none here: this machine reads, and publishes nothing')
  const fits = publicKeyOfPem(await readKeyFile('signing key', privateKeyFile), { keyId, file: privateKeyFile }) === publicKeys[keyId]
  const detail = fits
    ? `${privateKeyFile} is the key "${keyId}"`
    : `${privateKeyFile} is not the private key of "${keyId}" in signing.publicKeys`
  findings.say(fits, 'signing', 'private key', detail, 'correct keyId, or give the new key an id and a public key of its own')
  await examineMode(privateKeyFile, 'signing', findings)
}

async function examineIdentity({ recipients, breakGlass, identityFile }: Config['encryption'], findings: Findings): Promise<void> {
  if (!identityFile) return findings.well('encryption', 'identity', 'none here: proofs and restores need a worker that has one')
  await readKeyFile('identity', identityFile)
  const own = (await run({ program: 'age-keygen', args: ['-y', identityFile] })).stdout.split('\n').filter(Boolean)
  const opens = own.some((recipient) => recipients.includes(recipient) || recipient === breakGlass)
  const detail = opens ? `${identityFile} opens what is written from now on` : `${identityFile} belongs to none of encryption.recipients`
  findings.say(opens, 'encryption', 'identity', detail, `add ${own[0] ?? 'its public key'} to encryption.recipients`)
  await examineMode(identityFile, 'encryption', findings)
}

async function examineMode(file: string, object: string, findings: Findings): Promise<void> {
  const { mode } = await stat(file)
  const closed = (mode & 0o007) === 0
  findings.say(
    closed,
    object,
    'file mode',
    closed ? `${file} is closed to others` : `${file} can be read by every user`,
    `chmod 600 ${file}`,
  )
}

/** Fields whose value is a secret where it stands in the configuration itself. */
const SECRET_FIELDS = [
  ...['secret', 'secretAccessKey', 'password', 'replicationPassword', 'apiKey'],
  ...['token', 'restoredToken', 'unsealKeys', 'nkeySeed', 'credentials'],
]
/** Fields with a password inside, where there is one. */
const ADDRESS_FIELDS = ['connection', 'url']

export async function examineSecrets(config: Config, findings: Findings): Promise<void> {
  for (const { path, field, value } of stringsOf(config)) {
    if (!isLiteral(value))
      await findings.guard(path, 'reference', async () => findings.well(path, 'reference', `${await described(value)} can be had`))
    else if (SECRET_FIELDS.includes(field) || (ADDRESS_FIELDS.includes(field) && hasPassword(value))) {
      findings.ill(
        path,
        'literal',
        'a secret stands in the configuration itself, for all who may read that',
        'put it into a file or the environment and refer to it: ${file:/path} or ${env:NAME}',
      )
    }
  }
}

/** The reference by name; it is looked up, and its value forgotten. */
async function described(reference: string): Promise<string> {
  await resolveSecret(reference)
  return [...reference.matchAll(/\$\{[^}]*\}/g)].map(([found]) => found).join(', ')
}

function hasPassword(address: string): boolean {
  try {
    if (/^(?!postgres)[a-z]+:/.test(address)) return new URL(address).password !== ''
    return parseConnection(address)['password'] !== undefined
  } catch {
    return false
  }
}

function* stringsOf(value: unknown, path: string[] = []): Generator<{ path: string; field: string; value: string }> {
  // Of an entry of a list the name of the list.
  if (typeof value === 'string') yield { path: path.join('.'), field: path.findLast((key) => !/^\d+$/.test(key)) ?? '', value }
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) if (!isOwnText(key)) yield* stringsOf(inner, [...path, key])
  }
}
