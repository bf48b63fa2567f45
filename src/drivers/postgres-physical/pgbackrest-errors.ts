/** What pgBackRest's errors mean to an operator: its exit code is the number in brackets of its message. */
import { type ErrorCode, HoldfastError } from '../../core/errors.ts'

interface Meaning {
  code: ErrorCode
  exits?: number[]
  says?: RegExp
  next: string
  retryable?: boolean
}

/** The first that fits by its words or its exit code; causes that hide behind a general exit code come first. */
const MEANINGS: Meaning[] = [
  {
    code: 'BUSY',
    exits: [50],
    next: 'wait until the other pgBackRest command has ended; pgbackrest info shows whether one runs',
    retryable: true,
  },
  {
    code: 'STORE_UNREACHABLE',
    says: /certificate/,
    next: 'check repo1-storage-ca-file and the name in repo1-s3-endpoint: pgBackRest finds names in a certificate, and no addresses',
    retryable: false,
  },
  {
    code: 'KEY_WRONG',
    exits: [95],
    // With another passphrase the info file decrypts to noise as often as it fails to decrypt.
    says: /CryptoError|unable to load info file[\s\S]*FormatError/,
    next: 'correct repo1-cipher-type and repo1-cipher-pass of the pgBackRest configuration; in a repository without cipher, its info file is damaged',
  },
  { code: 'SPACE_SHORT', says: /No space left on device/, next: 'free space on the disk that the message names' },
  {
    code: 'STORE_DENIED',
    exits: [105],
    says: /AccessDenied|SignatureDoesNotMatch|CanonicalRequest|InvalidAccessKeyId|403 \(Forbidden\)|Permission denied/,
    next: 'let the user that pgBackRest runs as read and write the repository',
  },
  {
    code: 'STORE_UNREACHABLE',
    exits: [49, 101],
    says: /HostConnectError|ServiceError/,
    next: 'check that the pgBackRest repository can be reached from this host',
  },
  { code: 'POINT_PROTECTED', says: /cannot be expired until/, next: 'take another full backup first' },
  { code: 'NOT_FOUND', says: /backup set .* is not valid/, next: 'run holdfast list to see what exists' },
  {
    code: 'ARCHIVE_UNHEALTHY',
    exits: [82, 68, 87],
    says: /was not archived before/,
    next: 'look at pg_stat_archiver and the log of PostgreSQL for why archive_command fails',
  },
  {
    code: 'SOURCE_UNFIT',
    exits: [44, 51, 58],
    says: /do not match|does not match/,
    next: 'the stanza is of another cluster: check pg1-path, or run pgbackrest stanza-upgrade',
  },
  { code: 'SOURCE_UNFIT', exits: [62], next: 'somebody stopped pgBackRest here: pgbackrest start lets it run again' },
  { code: 'NOT_FOUND', exits: [55, 103], next: 'make the stanza: pgbackrest --stanza=… stanza-create' },
  {
    code: 'SOURCE_UNREACHABLE',
    exits: [56, 80],
    next: 'check that PostgreSQL runs, and pg1-socket-path, pg1-port and pg1-user of the pgBackRest configuration',
    retryable: true,
  },
  { code: 'INTEGRITY', exits: [26, 29], next: 'do not restore from it; verify the other recovery points' },
  { code: 'CONFIG_INVALID', exits: [27, 31, 32, 37], next: 'correct the pgBackRest configuration of the source' },
]

/** The error as one of Holdfast's, with pgBackRest's own words. Errors of other kinds are returned as they are. */
export function explained(error: unknown, object: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') return error
  return meaningOf(error, object) ?? error
}

function meaningOf(error: HoldfastError, object: string): HoldfastError | undefined {
  const said = String(error.details.stderr ?? '')
  const exit = Number(error.details.exitCode ?? Number.NaN)
  const found = MEANINGS.find(({ says }) => says?.test(said)) ?? MEANINGS.find(({ exits }) => exits?.includes(exit))
  if (!found) return undefined
  // Only the program's own sentences: not what decrypted to noise, nor a store's answer in XML.
  const words = said
    .split('\n')
    .map((line) => line.replace(/^.*?(?=ERROR|WARN)/, '').trim())
    .filter((line) => /^[\x20-\x7e]+$/.test(line) && !line.includes('</'))
  return new HoldfastError(found.code, `pgBackRest: ${words.join(' ').slice(0, 600) || `exit code ${exit}: ${found.next}`}`, {
    object,
    next: found.next,
    cause: error,
    details: error.details,
    ...(found.retryable === undefined ? {} : { retryable: found.retryable }),
  })
}

/** The same for a failure that pgBackRest reports without failing: `info` exits 0 with the message in its answer. */
export function reported(message: string, object: string): HoldfastError {
  const error = new HoldfastError('PROCESS_FAILED', `pgBackRest: ${message.split('\n')[0]}`, { object, details: { stderr: message } })
  return meaningOf(error, object) ?? error
}
