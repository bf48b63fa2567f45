/** Captures a stream through the sink, in a store that keeps nothing, and prints the most resident MiB seen. */
import { natsSource } from '../../src/drivers/nats/config.ts'
import { createDriver } from '../../src/drivers/nats/index.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'

const [url, stream, recipient] = process.argv.slice(2) as [string, string, string]
const memory = createMemoryStore()
const store = {
  ...memory,
  async startUpload(key: string) {
    const upload = await memory.startUpload(key)
    return {
      ...upload,
      part: async () => {},
      complete: async (whole: { size: number }) => ({ key, size: whole.size, modified: new Date() }),
    }
  },
}
const sink = createSink({ store, prefix: 'probe/', attempt: 1, recipients: [recipient] })
const config = natsSource.parse({ driver: 'nats', repository: 'hot', servers: [url], streams: { include: [stream] }, digestUpTo: '1TB' })
const driver = await createDriver(config, { source: 'probe', secret: async (reference) => reference })
const context = { signal: new AbortController().signal, onProgress: () => {} }
await driver.capture(context, { id: 'probe', kind: 'manual', attempt: 1 }, sink)
process.stdout.write(String(Math.round(process.resourceUsage().maxRSS / 1024)))
