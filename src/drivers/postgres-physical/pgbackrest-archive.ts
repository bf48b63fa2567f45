/** The WAL archive of a pgBackRest stanza. */
import { type Archive, DEFAULT_SEGMENT_BYTES, parseHistory } from '../../core/wal.ts'
import type { PhysicalEngine } from './engine.ts'
import type { Caller } from './pgbackrest-call.ts'
import { walOf } from './pgbackrest-info.ts'

export function archiveMethods(
  { call, list, stanza }: Caller,
  segmentBytes = DEFAULT_SEGMENT_BYTES,
): Pick<PhysicalEngine, 'archiveGet' | 'hasWal' | 'archive'> {
  /** The folder of the newest cluster version: after an upgrade of the stanza there are several. */
  async function folder(): Promise<string | undefined> {
    const { stdout } = await call('repo-ls', [], { operands: [`archive/${stanza}`] })
    const ids = stdout.split('\n').filter((name) => /^\d[\d.]*-\d+$/.test(name))
    const newest = ids.sort((a, b) => Number(a.split('-')[1]) - Number(b.split('-')[1])).at(-1)
    return newest && `archive/${stanza}/${newest}`
  }

  return {
    async archiveGet(wal, to) {
      const { exitCode } = await call('archive-get', ['--no-archive-async'], { operands: [wal, to], accept: [0, 1] })
      return exitCode === 0
    },

    async hasWal(wal) {
      const path = await folder()
      if (!path) return false
      return (await list(`${path}/${wal.slice(0, 16)}`, [`--filter=^${wal}-`])).some((file) => walOf(file.path) === wal)
    },

    async archive(): Promise<Archive> {
      const path = await folder()
      const files = path ? await list(path, ['--recurse']) : []
      const histories: Archive['histories'] = {}
      for (const file of files) {
        const timeline = /^([0-9A-F]{8})\.history$/.exec(file.path)?.[1]
        if (!timeline) continue
        const { stdout } = await call('repo-get', [], { operands: [`${path}/${file.path}`] })
        histories[Number.parseInt(timeline, 16)] = parseHistory(stdout)
      }
      const segments = files.flatMap((file) => {
        const wal = walOf(file.path)
        return wal ? [{ wal, storedAt: file.storedAt, bytes: file.size }] : []
      })
      return { segmentBytes, segments, histories }
    },
  }
}
