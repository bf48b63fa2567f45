/** GPG for teams that have it: a stage around tar, inside of the usual envelope, so that nothing else has to know of it. */
import type { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import { type Chain, startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import type { FilesSourceConfig } from './config.ts'

type Gpg = NonNullable<FilesSourceConfig['gpg']>

/** Stands on an artifact whose plain bytes are a GPG message. */
export interface InnerEncryption {
  inner: 'gpg'
  innerRecipients: string[]
}

const command = ({ home }: Pick<Gpg, 'home'>, args: string[]): Command => ({
  program: 'gpg',
  args: ['--batch', '--no-tty', '--quiet', ...args],
  ...(home !== undefined && { env: { GNUPGHOME: home } }),
})

export const encryptCommand = (gpg: Gpg): Command =>
  command(gpg, [
    // Whoever configures a recipient trusts it; zstd has compressed more than GPG would.
    ...['--trust-model', 'always', '--compress-algo', 'none', '--encrypt'],
    ...gpg.recipients.flatMap((recipient) => ['--recipient', recipient]),
  ])

export const decryptCommand = (gpg: Pick<Gpg, 'home'>): Command => command(gpg, ['--decrypt'])
export const lookCommand = (gpg: Gpg, recipient: string): Command => command(gpg, ['--list-keys', '--', recipient])

/** The bytes as they are stored: encrypted where the source wants it. */
export function wrapped(stream: Readable, gpg: Gpg | undefined, signal: AbortSignal): { stream: Readable; chain?: Chain } {
  if (!gpg) return { stream }
  const chain = startChain([{ program: 'zstd', args: ['-q', '-3', '-c'] }, encryptCommand(gpg)], { stdin: stream, signal })
  return { stream: chain.stdout, chain }
}

/** The programs that undo it. */
export const unwrapping = (artifact: Artifact, gpg: Gpg | undefined): Command[] =>
  artifact['inner'] === 'gpg' ? [decryptCommand(gpg ?? {}), { program: 'zstd', args: ['-q', '-d', '-c'] }] : []

/** What gpg says where the key is not in the keyring, as the refusal that it is. */
export function keyProblem(error: unknown, artifact: Artifact): unknown {
  if (!(error instanceof HoldfastError) || !/No secret key|decryption failed/.test(error.message)) return error
  const recipients = String(artifact['innerRecipients'] ?? '')
  return new HoldfastError('KEY_MISSING', `the keyring does not open ${artifact.part}, which is encrypted for ${recipients}`, {
    object: artifact.key,
    next: `import the secret key of ${recipients} into the keyring of the user that the worker runs as, or name its folder in gpg.home`,
    cause: error,
  })
}
