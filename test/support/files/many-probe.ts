/** Makes so many files, captures them into a store that keeps nothing, and prints what the point says it holds and the most resident MiB. */
import { execFileSync } from 'node:child_process'
import { filesSource } from '../../../src/drivers/files/config.ts'
import { createFiles } from '../../../src/drivers/files/index.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'

const [root = '', files = '0'] = process.argv.slice(2)
const MAKE = `
import os, sys
for number in range(int(sys.argv[2])):
    folder = f'{sys.argv[1]}/{number // 2000:04d}'
    if number % 2000 == 0: os.makedirs(folder)
    with open(f'{folder}/file-{number:07d}.txt', 'w') as file: file.write(f'number {number}')
`
execFileSync('python3', ['-c', MAKE, root, files])
const memory = createMemoryStore()
const store = {
  ...memory,
  async startUpload(key: string) {
    const complete = async (whole: { size: number }) => ({ key, size: whole.size, modified: new Date() })
    return { ...(await memory.startUpload(key)), part: async () => {}, complete }
  },
}
const driver = createFiles(filesSource.parse({ driver: 'files', repository: 'hot', root }))
const sink = createSink({ store, prefix: 'probe/', attempt: 1, recipients: [] })
const context = { signal: new AbortController().signal, onProgress: () => {} }
const { inventory } = await driver.capture(context, { id: '20260101_000000_manual', kind: 'manual', attempt: 1 }, sink)
process.stdout.write(
  JSON.stringify({ files: inventory?.['tree']?.['files'], mebibytes: Math.round(process.resourceUsage().maxRSS / 1024) }),
)
