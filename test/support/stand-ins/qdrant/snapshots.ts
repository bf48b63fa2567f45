/** Snapshots: a tar of a collection's folder under `snapshots/<collection>/`, its SHA-256 in a file beside it. */
import { createHash } from 'node:crypto'
import { copyFileSync, createReadStream } from 'node:fs'
import { mkdir, readFile, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../../../src/core/errors.ts'
import { run } from '../../../../src/process/run.ts'
import { Collection, LOG_FILE, STATE_FILE } from './collection.ts'
import { badRequest, checksumMismatch, forbidden, internal, notFound } from './errors.ts'
import { ACCEPTED, type Request, type Routes, STREAMED } from './routing.ts'
import type { Storage } from './storage.ts'
import { receive } from './upload.ts'

export function snapshotRoutes(storage: Storage): Routes {
  const one = '/collections/{collection}/snapshots'
  return {
    [`GET ${one}`]: async ({ params }) => {
      storage.collection(params['collection'] ?? '')
      const folder = join(storage.snapshotsDir, params['collection'] ?? '')
      const names = (await readdir(folder).catch(() => [])).filter((name) => !name.endsWith('.checksum'))
      return Promise.all(names.map((name) => describe(join(folder, name))))
    },
    [`POST ${one}`]: (request) =>
      orAccepted(request, async () => {
        const made = await create(storage, request.params['collection'] ?? '')
        return request.fault?.wrongChecksum ? { ...made, checksum: '0'.repeat(64) } : made
      }),
    [`POST ${one}/upload`]: (request) => upload(storage, request),
    [`PUT ${one}/recover`]: async (request) => {
      const { location, checksum } = await request.body<{ location: string; checksum?: string }>()
      return orAccepted(request, async () => {
        const file = await localFile(storage, location)
        const actual = checksum ? await digestOf(file) : checksum
        if (checksum && actual !== checksum.toLowerCase()) throw checksumMismatch(actual ?? '', checksum)
        return recover(storage, request.params['collection'] ?? '', file)
      })
    },
    [`GET ${one}/{snapshot}`]: async ({ params, outgoing }) => {
      const file = await existing(storage, params)
      // Without a length, as the real one: only size and checksum tell that it came whole.
      outgoing.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${params['snapshot']}"`,
      })
      await pipeline(createReadStream(file), outgoing)
      return STREAMED
    },
    [`DELETE ${one}/{snapshot}`]: (request) =>
      orAccepted(request, async () => {
        const file = await existing(storage, request.params)
        await rm(file)
        await rm(`${file}.checksum`, { force: true })
        return true
      }),
  }
}

/** With `wait=false` the work goes on after the reply, and nobody hears how it ended. */
async function orAccepted(request: Request, work: () => Promise<unknown>): Promise<unknown> {
  if (request.query.get('wait') !== 'false') return work()
  work().catch((error) => process.stderr.write(`${request.incoming.url}: ${messageOf(error)}\n`))
  return ACCEPTED
}

async function create(storage: Storage, name: string) {
  const { dir } = storage.collection(name)
  const scratch = await storage.scratchFolder('snapshot')
  try {
    // Copied in one go, between two writes: one moment of the collection.
    for (const file of [STATE_FILE, LOG_FILE]) copyFileSync(join(dir, file), join(scratch, file))
    const made = join(scratch, 'made')
    await run({ program: 'tar', args: ['--blocking-factor=1', '-cf', made, '-C', scratch, STATE_FILE, LOG_FILE] })
    const folder = join(storage.snapshotsDir, name)
    const file = join(folder, `${name}-${storage.peerId}-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-')}.snapshot`)
    await mkdir(folder, { recursive: true })
    await writeFile(`${file}.checksum`, await digestOf(made))
    await rename(made, file)
    return await describe(file)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function describe(file: string) {
  const { size, mtime } = await stat(file)
  const checksum = await readFile(`${file}.checksum`, 'utf8').catch(() => null)
  return { name: basename(file), creation_time: mtime.toISOString().slice(0, 19), size, checksum }
}

/** The uploaded file stays among the snapshots of the collection, also where the recovery from it fails. */
async function upload(storage: Storage, request: Request): Promise<unknown> {
  const collection = request.params['collection'] ?? ''
  storage.checkName(collection)
  const scratch = await storage.scratchFolder('upload')
  try {
    const { path, name, digest } = await receive(request.incoming, scratch)
    const wanted = request.query.get('checksum')
    if (wanted && wanted.toLowerCase() !== digest) throw checksumMismatch(digest, wanted)
    const file = join(storage.snapshotsDir, collection, name)
    await mkdir(join(storage.snapshotsDir, collection), { recursive: true })
    await rename(path, file)
    return await orAccepted(request, () => recover(storage, collection, file))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function recover(storage: Storage, name: string, file: string): Promise<boolean> {
  storage.checkName(name)
  const scratch = await storage.scratchFolder('recovery')
  try {
    await run({ program: 'tar', args: ['-xf', file, '-C', scratch] }).catch((error) => {
      throw internal(`failed to unpack snapshot archive ${file}: ${messageOf(error)}`)
    })
    if (!Collection.isIn(scratch)) throw internal(`failed to unpack snapshot archive ${file}: it holds no collection`)
    storage.replace(name, scratch)
    return true
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Only what lies among the snapshots; a link that leads out of them does not. */
async function localFile({ snapshotsDir }: Storage, location: string): Promise<string> {
  if (!location.startsWith('file:')) throw forbidden('recovery from a remote URL is disabled')
  const path = fileURLToPath(location)
  const file = await realpath(path).catch(() => {
    throw path.startsWith(snapshotsDir + sep) ? badRequest(`Snapshot file "${path}" does not exist`) : outside(path)
  })
  if (!file.startsWith((await realpath(snapshotsDir)) + sep)) throw outside(path)
  return file
}

const outside = (path: string) => forbidden(`snapshot file "${path}" is not inside of the snapshots directory`)

async function existing(storage: Storage, params: Record<string, string>): Promise<string> {
  storage.collection(params['collection'] ?? '')
  const name = params['snapshot'] ?? ''
  const file = join(storage.snapshotsDir, params['collection'] ?? '', basename(name))
  if (!(await stat(file).catch(() => undefined))?.isFile()) throw notFound(`Snapshot ${name} not found`)
  return file
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
