/** Sends so many MiB of noise as a snapshot, takes them back, and prints the most resident MiB seen. The server finds no collection in them. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { HoldfastError } from '../../src/core/errors.ts'
import { withServer } from '../../src/drivers/qdrant/server.ts'
import { download, upload } from '../../src/drivers/qdrant/transfer.ts'
import { qdrantConfig } from './qdrant.ts'

const [url, mebibytes] = process.argv.slice(2) as [string, string]
const block = Buffer.alloc(1024 * 1024, 'noise')
const size = Number(mebibytes) * block.length
const hash = createHash('sha256')
function* noise() {
  for (let n = 0; n < Number(mebibytes); n += 1) {
    block.writeUInt32LE(n)
    hash.update(block)
    yield Buffer.from(block)
  }
}
const reach = { config: qdrantConfig(url, '/tmp'), secret: async (reference: string) => reference }
await withServer(reach, { url, apiKey: undefined }, undefined, async (server) => {
  const stream = Readable.from(noise(), { objectMode: false })
  const refused = await upload(server, { collection: 'docs', file: 'probe.snapshot', bytes: size, sha256: undefined, stream }).catch(
    (error: unknown) => error,
  )
  if (!(refused instanceof HoldfastError) || refused.code !== 'INTEGRITY')
    throw new Error('the noise was taken for a snapshot', { cause: refused })
  let came = 0
  const body = await download(server, 'docs', { name: 'probe.snapshot', size, checksum: hash.digest('hex') })
  for await (const chunk of body as AsyncIterable<Buffer>) came += chunk.length
  if (came !== size) throw new Error(`${came} bytes came back`)
})
process.stdout.write(String(Math.round(process.resourceUsage().maxRSS / 1024)))
