/** The S3 client as a store needs it: no retries of its own, whole objects' checksums, errors instead of endless waits. */
import { readFileSync } from 'node:fs'
import { S3Client } from '@aws-sdk/client-s3'
import { HoldfastError, messageOf } from '../core/errors.ts'

export interface S3Options {
  bucket: string
  region: string
  endpoint?: string
  prefix: string
  caFile?: string
  /** Without it the SDK looks where AWS's own tools look: environment, profile, instance role. */
  credentials?: { accessKeyId: string; secretAccessKey: string }
  storageClass?: string
  /** Parts in flight at once; a few sockets more are kept for small requests. */
  uploads?: number
  /** A connection that carries nothing for so long is an error; 60 s by default. */
  idleMs?: number
  /** What is larger is moved to another storage class in parts of this size; 512 MB by default. */
  copyPartBytes?: number
}

const CONNECT_MS = 10_000
const IDLE_MS = 60_000

export function createS3Client(options: S3Options): S3Client {
  const agent = { keepAlive: true, maxSockets: (options.uploads ?? 4) + 12 }
  const client = new S3Client({
    region: options.region,
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    maxAttempts: 1,
    expectContinueHeader: false,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: options.idleMs ?? IDLE_MS,
      httpAgent: agent,
      httpsAgent: { ...agent, ...(options.caFile ? { ca: readCa(options.caFile) } : {}) },
    },
  })
  if (!options.endpoint || options.endpoint.startsWith('https:')) leaveBodiesUnsigned(client)
  return client
}

/** Over TLS the part's CRC guards the bytes: SHA-256 of each for the signature would cost more than BLAKE3 and CRC together. */
function leaveBodiesUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { request } = args as { request?: { headers?: Record<string, string> } }
      if (context.commandName === 'UploadPartCommand' && request?.headers) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'leaveBodiesUnsigned', priority: 'low' },
  )
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new HoldfastError('CONFIG_INVALID', `caFile ${file} cannot be read: ${messageOf(error)}`, { object: file, cause: error })
  }
}
