/**
 * The leanest S3 client for the bare pipe: `bare-client.ts <put|get> <fifo> <key>`. Parts of 8 MiB, four at once, over
 * the same kind of connection as Holdfast's, without a digest. It says `ready` when it is loaded and then waits for the
 * other end of the FIFO, so that its start does not count: a worker is up already, too.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { createS3Client } from '../../src/storage/s3-client.ts'

const PART_BYTES = 8 * 1024 * 1024
const AT_ONCE = 4

const [verb, fifo, key] = process.argv.slice(2) as ['put' | 'get', string, string]
const { BENCH_BUCKET = '', BENCH_ENDPOINT = '', BENCH_CA, BENCH_ACCESS_KEY = '', BENCH_SECRET_KEY = '' } = process.env
const object = { Bucket: BENCH_BUCKET, Key: key }
const client = createS3Client({
  bucket: BENCH_BUCKET,
  region: 'us-east-1',
  endpoint: BENCH_ENDPOINT,
  prefix: '',
  ...(BENCH_CA ? { caFile: BENCH_CA } : {}),
  credentials: { accessKeyId: BENCH_ACCESS_KEY, secretAccessKey: BENCH_SECRET_KEY },
})
process.stdout.write('ready\n')
await (verb === 'put' ? put() : get())
client.destroy()

async function put(): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object))
  const done: { PartNumber: number; ETag: string | undefined }[] = []
  const inFlight = new Set<Promise<void>>()
  let number = 0
  const send = async (PartNumber: number, Body: Buffer) => {
    const { ETag } = await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }))
    done.push({ PartNumber, ETag })
  }
  for await (const part of parts()) {
    if (inFlight.size >= AT_ONCE) await Promise.race(inFlight)
    const sending: Promise<void> = send(++number, part).finally(() => inFlight.delete(sending))
    inFlight.add(sending)
  }
  await Promise.all(inFlight)
  const Parts = done.sort((a, b) => a.PartNumber - b.PartNumber)
  await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }))
}

async function* parts(): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafeSlow(PART_BYTES)
  let filled = 0
  for await (const chunk of createReadStream(fifo, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(part, filled, at)
      at += taken
      filled += taken
      if (filled < PART_BYTES) continue
      yield part
      part = Buffer.allocUnsafeSlow(PART_BYTES)
      filled = 0
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}

async function get(): Promise<void> {
  const into = createWriteStream(fifo)
  await new Promise((opened, failed) => into.once('open', opened).once('error', failed))
  const { Body } = await client.send(new GetObjectCommand(object))
  await pipeline(Body as Readable, into)
}
