/** Stored objects on their way from one repository to another, as they are: compared with the manifest while they pass. */
import { HoldfastError } from '../core/errors.ts'
import type { Artifact } from '../core/records.ts'
import type { Progress } from '../drivers/driver.ts'
import type { Bandwidth } from '../pipeline/bandwidth.ts'
import { download, requireStored } from '../pipeline/download.ts'
import { uploadStream } from '../pipeline/upload.ts'
import type { Reader, Store } from '../storage/store.ts'
import { mapConcurrently } from './concurrent.ts'

export interface SendOptions {
  signal?: AbortSignal
  /** Of the repository that the objects go to. */
  bandwidth?: Bandwidth | undefined
  onProgress?(progress: Progress): void
  /** Reads what is there already: what a proof found damaged has the right size, and maybe the right checksum. */
  again?: boolean
  /** Whether the object belongs to a copy that is published there: what is sent only once need not be read for each point. */
  isPublished?(key: string): boolean
}

export interface Sent {
  objects: number
  bytes: number
}

/** More than that and one at a time fills the line; less, and the answers of the stores are what takes time. */
const SMALL = 1024 * 1024

/** What is there already is not sent again. Throws INTEGRITY where the first repository has not what the manifest says. */
export async function sendObjects(from: Reader, to: Store, artifacts: readonly Artifact[], options: SendOptions): Promise<Sent> {
  const sent: Sent = { objects: 0, bytes: 0 }
  const totalBytes = artifacts.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  let done = 0
  const say = (bytes: number) => options.onProgress?.({ phase: 'copy', bytes: done + bytes, totalBytes })
  const send = async (artifact: Artifact) => {
    if (await sendObject(from, to, artifact, { ...options, onStored: ({ bytes }) => say(bytes) })) {
      sent.objects += 1
      sent.bytes += artifact.storedBytes
    }
    done += artifact.storedBytes
    say(0)
  }
  await mapConcurrently(
    artifacts.filter(({ storedBytes }) => storedBytes <= SMALL),
    send,
  )
  for (const artifact of artifacts.filter(({ storedBytes }) => storedBytes > SMALL)) await send(artifact)
  return sent
}

type ObjectOptions = SendOptions & { onStored(stored: { bytes: number }): void }

/** False where it was there. An upload is completed only after the last byte was compared. */
async function sendObject(from: Reader, to: Store, artifact: Artifact, options: ObjectOptions, tries = 2): Promise<boolean> {
  const { signal, bandwidth, onStored } = options
  if (await isThere(to, artifact, options)) return false
  await requireStored(from, artifact)
  const { stream } = download(from, artifact, { ...(signal && { signal }) })
  try {
    const { storeCrc32 } = await uploadStream(to, artifact.key, stream, { ...(signal && { signal }), bandwidth, onStored })
    const { storeChecksum } = artifact
    if (storeChecksum && storeCrc32 && storeChecksum.value !== storeCrc32)
      throw new HoldfastError('INTEGRITY', `${to.name} keeps ${artifact.key} as ${storeCrc32}; its manifest says ${storeChecksum.value}`, {
        object: artifact.key,
      })
    return true
  } catch (error) {
    // A try that was frozen and thawed has brought it meanwhile.
    if (tries > 1 && error instanceof HoldfastError && error.code === 'STORE_CONFLICT')
      return sendObject(from, to, artifact, options, tries - 1)
    throw error
  }
}

/** Only below a manifest that nobody sees yet, or one whose proof failed, is there anything wrong to take away. */
async function isThere(to: Store, artifact: Artifact, options: SendOptions): Promise<boolean> {
  const found = await to.head(artifact.key)
  if (!found) return false
  if (await isSame(to, artifact, found, options)) return true
  if ((await to.delete(artifact.key)) !== 'locked') return false
  throw new HoldfastError('OBJECT_LOCKED', `${artifact.key} in ${to.name} is not what was to be copied, and is locked`, {
    object: artifact.key,
    next: 'wait until its lock has ended; until then restore from another repository',
  })
}

async function isSame(
  to: Store,
  artifact: Artifact,
  found: { size: number; crc32?: string },
  { signal, again = false, isPublished }: SendOptions,
): Promise<boolean> {
  if (found.size !== artifact.storedBytes) return false
  const compares = found.crc32 !== undefined && artifact.storeChecksum !== undefined
  if (compares && found.crc32 !== artifact.storeChecksum?.value) return false
  if (!again && (compares || isPublished?.(artifact.key))) return true
  try {
    for await (const chunk of download(to, artifact, { ...(signal && { signal }) }).stream) void chunk
    return true
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'INTEGRITY') return false
    throw error
  }
}
