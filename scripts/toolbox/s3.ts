/** An S3 server of one's own: versitygw on a folder, on loopback, over TLS with a CA of its own. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { type Certificate, makeCertificate } from './certificate.ts'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

export interface S3Options {
  /** Keeps objects and certificates there and leaves them at stop; without it a temporary folder is used and removed. */
  dir?: string
  /** True by default. */
  tls?: boolean
  port?: number
  /** Given again at a second start on the same folder; made up by default. */
  credentials?: { accessKeyId: string; secretAccessKey: string }
}

export interface S3Server extends Server {
  endpoint: string
  /** PEM of the authority that signed the certificate; undefined without TLS. */
  caFile: string | undefined
  accessKeyId: string
  secretAccessKey: string
  /** Creates the bucket; with objectLock it keeps versions and can hold retention. One that is there is fine. */
  createBucket(name: string, options?: { objectLock?: boolean }): Promise<void>
}

/** Starts the server; resolves once it answers. */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const program = findProgram('versitygw')
  const { dir, remove } = await serverFolder(options.dir, 'holdfast-s3-')
  const tls = options.tls ?? true
  await layOut(dir)
  const certificate = tls ? await certificateIn(join(dir, 'tls')) : undefined
  const port = options.port ?? (await freePort())
  const keys = options.credentials ?? {
    accessKeyId: `test-${randomBytes(4).toString('hex')}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  }
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const server = await startServer({
    what: `the S3 server on ${endpoint}`,
    command: {
      program,
      args: argumentsOf(dir, port, certificate),
      env: { ROOT_ACCESS_KEY_ID: keys.accessKeyId, ROOT_SECRET_ACCESS_KEY: keys.secretAccessKey },
    },
    logFile: join(dir, 'versitygw.log'),
    answers: () => answers(`${endpoint}/health`, certificate?.caFile),
    code: 'STORE_UNREACHABLE',
    cleanUp: remove,
  })
  const caFile = certificate?.caFile
  const createBucket: S3Server['createBucket'] = (name, lock) => makeBucket({ endpoint, caFile, ...keys }, name, lock?.objectLock ?? false)
  return { endpoint, caFile, ...keys, createBucket, ...server }
}

async function layOut(dir: string): Promise<void> {
  // Programs that run as another user, pgBackRest first of all, read the CA below it.
  await chmod(dir, 0o755)
  for (const name of ['data', 'versions', 'tls']) await mkdir(join(dir, name), { recursive: true, mode: 0o755 })
}

/** The folder's certificate: made at the first start, so that clients of a second one still trust it. */
async function certificateIn(dir: string): Promise<Certificate> {
  const made = { caFile: join(dir, 'ca.pem'), certFile: join(dir, 'server.pem'), keyFile: join(dir, 'server.key') }
  return Object.values(made).every((file) => existsSync(file)) ? made : makeCertificate(dir)
}

function argumentsOf(dir: string, port: number, certificate: Certificate | undefined): string[] {
  return [
    ...['--port', `127.0.0.1:${port}`, '--quiet', '--health', '/health', '--keep-alive'],
    ...(certificate ? ['--cert', certificate.certFile, '--key', certificate.keyFile] : []),
    ...['posix', '--versioning-dir', join(dir, 'versions'), join(dir, 'data')],
  ]
}

function answers(url: string, caFile: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const request = caFile
      ? httpsRequest(url, { agent: new HttpsAgent({ ca: readFileSync(caFile), keepAlive: false }), timeout: 5_000 })
      : httpRequest(url, { agent: new HttpAgent({ keepAlive: false }), timeout: 5_000 })
    request.once('response', (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
    request.once('close', () => resolve(false))
    request.end()
  })
}

type Access = Pick<S3Server, 'endpoint' | 'caFile' | 'accessKeyId' | 'secretAccessKey'>

async function makeBucket(access: Access, name: string, objectLock: boolean): Promise<void> {
  const client = new S3Client({
    endpoint: access.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    requestHandler: access.caFile ? { httpsAgent: { ca: readFileSync(access.caFile) } } : {},
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: name, ...(objectLock ? { ObjectLockEnabledForBucket: true } : {}) }))
  } catch (error) {
    if (!(error instanceof Error && ['BucketAlreadyOwnedByYou', 'BucketAlreadyExists'].includes(error.name))) throw error
  } finally {
    client.destroy()
  }
}
