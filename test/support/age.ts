/** age identities for tests, made by age itself. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'

export interface Identity {
  file: string
  recipient: string
}

/** A new identity in a file of the folder. */
export async function makeIdentity(dir: string, name = 'identity.txt'): Promise<Identity> {
  const file = join(dir, name)
  await writeFile(file, (await run({ program: 'age-keygen', args: [] })).stdout, { mode: 0o600 })
  const recipient = /public key: (age1\w+)/.exec(await readFile(file, 'utf8'))?.[1]
  if (!recipient) throw new Error('age-keygen named no recipient')
  return { file, recipient }
}
