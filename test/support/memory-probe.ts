/** Stores the given MiB of noise through the sink, in a store that keeps nothing, and prints the most resident MiB seen. */
import { createSink } from '../../src/pipeline/capture.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'

const [mebibytes, recipient] = process.argv.slice(2) as [string, string]
const memory = createMemoryStore()
const store = {
  ...memory,
  async startUpload(key: string) {
    const upload = await memory.startUpload(key)
    // A network that answers only when nobody sends more: whatever may be in flight at once, is.
    const waiting: (() => void)[] = []
    let quiet: NodeJS.Timeout | undefined
    const part = () =>
      new Promise<void>((done) => {
        waiting.push(done)
        clearTimeout(quiet)
        quiet = setTimeout(() => {
          for (const answer of waiting.splice(0)) answer()
        }, 1_500)
      })
    return { ...upload, part, complete: async (whole: { size: number }) => ({ key, size: whole.size, modified: new Date() }) }
  },
}
const sink = createSink({ store, prefix: 'probe/', attempt: 1, recipients: [recipient] })
const artifact = await sink.store({
  part: 'noise',
  role: 'noise',
  required: true,
  stages: [{ program: 'head', args: ['-c', `${mebibytes}M`, '/dev/urandom'] }],
})
if (artifact.storedBytes < Number(mebibytes) * 1024 * 1024) throw new Error('too little was stored')
process.stdout.write(String(Math.round(process.resourceUsage().maxRSS / 1024)))
