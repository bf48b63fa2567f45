/** One capture: what the program prints, stored as it comes, and only if it exits 0. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import type { Caller } from './call.ts'
import { countsIn } from './lines.ts'

export async function capture(caller: Caller, context: DriverContext, { id }: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  const { signal } = context
  const told = { target: 'live', point: id } as const
  const counts = async () => {
    context.onProgress({ phase: 'counts' })
    return countsIn((await caller.call('counts', told, { signal }))?.stdout ?? '')
  }
  try {
    const before = await counts()
    const time = new Date().toISOString()
    context.onProgress({ phase: 'capture' })
    const artifact = await caller.withinTime('capture', signal, (limited) => store(caller, limited, id, sink))
    const bytes = artifact.plainBytes ?? 0
    const { facts, moved } = spanned(before, await counts())
    return {
      artifacts: [artifact],
      consistency: { time },
      inventory: { data: { bytes, digest: artifact.contentBlake3 ?? '' }, ...facts },
      sizeBytes: bytes,
      fileCount: 1,
      warnings: [
        ...(bytes === 0 ? ['the capture printed nothing'] : []),
        ...(moved.length > 0 ? [`changed while it was captured, compared as a range: ${moved.join(', ')}`] : []),
      ],
    }
  } catch (error) {
    throw orCancelled(error, signal, `the capture of ${caller.source}`, caller.source)
  }
}

async function store(caller: Caller, signal: AbortSignal, id: string, sink: ArtifactSink): Promise<Artifact> {
  const command = await caller.command('capture', { target: 'live', point: id })
  if (!command) throw new HoldfastError('CONFIG_INVALID', `${caller.source} has no capture`, { object: caller.source })
  const chain = startChain([command], { signal })
  try {
    return await sink.storeStream({ part: 'data', role: 'data', required: true, stream: chain.stdout })
  } catch (error) {
    // Whichever ended first: what the program said of itself is why.
    await chain.stop()
    throw (
      (await chain.done.then(
        () => undefined,
        (failed: unknown) => failed,
      )) ?? error
    )
  } finally {
    await chain.stop()
  }
}

/** A number that moved meanwhile was somewhere in between when it was read. */
function spanned(before: Record<string, string>, after: Record<string, string>): { facts: Inventory; moved: string[] } {
  const names = Object.keys({ ...before, ...after })
  if (names.length === 0) return { facts: {}, moved: [] }
  const moved = names.filter((name) => before[name] !== after[name])
  const counts = Object.fromEntries(names.map((name) => [name, before[name] ?? after[name] ?? '']))
  const until = Object.fromEntries(moved.map((name) => [name, after[name] ?? before[name] ?? '']))
  return { facts: { counts, ...(moved.length > 0 && { 'counts until': until }) }, moved }
}
