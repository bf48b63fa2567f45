/**
 * A worker process that streams noise: `memory-worker.ts <config> <roles> <bytes>`. Prints as JSON how many MB were
 * resident when it was ready and at the most while it streamed, both as the kernel counts them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { loadConfig } from '../../src/config/load.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { openStore } from '../../src/storage/open.ts'
import { parseRoles, startWorker } from '../../workers/worker.ts'
import { round } from './rows.ts'

const [configFile, roles, bytes] = process.argv.slice(2) as [string, string, string]
const config = await loadConfig(configFile)
const repository = config.repositories['hot']
if (!repository) throw new Error('the config has no repository hot')
const worker = await startWorker(config, parseRoles(roles))
const ready = resident('VmRSS')
// The kernel forgets the most it has seen: what counts is the stream.
writeFileSync('/proc/self/clear_refs', '5')
const store = await openStore(repository)
const sink = createSink({ store, prefix: `memory/${bytes}/`, attempt: 1, recipients: config.encryption.recipients })
const from = performance.now()
const artifact = await sink.store({
  part: 'noise',
  role: 'noise',
  required: true,
  stages: [{ program: 'head', args: ['-c', bytes, '/dev/urandom'] }],
})
const seconds = (performance.now() - from) / 1000
const most = resident('VmHWM')
if (artifact.storedBytes < Number(bytes)) throw new Error('too little was stored')
await store.delete(artifact.key)
store.close()
await worker.stop()
process.stdout.write(`${JSON.stringify({ ready, most, seconds: round(seconds, 1) })}\n`)

function resident(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Math.round((Number(found?.[1]) * 1024) / 1e6)
}
